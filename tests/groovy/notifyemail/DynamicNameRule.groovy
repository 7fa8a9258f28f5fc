package notifyemail

import org.codehaus.groovy.ast.expr.AttributeExpression
import org.codehaus.groovy.ast.expr.BinaryExpression
import org.codehaus.groovy.ast.expr.ConstantExpression
import org.codehaus.groovy.ast.expr.Expression
import org.codehaus.groovy.ast.expr.MethodCallExpression
import org.codehaus.groovy.ast.expr.MethodPointerExpression
import org.codehaus.groovy.ast.expr.PropertyExpression
import org.codehaus.groovy.syntax.Types
import org.codenarc.rule.AbstractAstVisitor
import org.codenarc.rule.AbstractAstVisitorRule

/**
 * The library calls and reads by names that stand in its source, and by no others: a sandboxed Jenkinsfile may
 * call all of it, and would choose the name.
 */
class DynamicNameRule extends AbstractAstVisitorRule {

    String name = 'DynamicName'
    int priority = 1
    Class astVisitorClass = DynamicNameVisitor

}

class DynamicNameVisitor extends AbstractAstVisitor {

    private static final List<String> REFLECTION = [
        'invokeMethod', 'metaClass', 'getMetaClass', 'setMetaClass', 'getProperty', 'setProperty', 'properties', 'getProperties',
        'getAt', 'putAt', 'hasProperty', 'respondsTo', 'evaluate', 'forName', 'newInstance', 'methodMissing', 'propertyMissing',
    ]

    @Override
    void visitMethodCallExpression(MethodCallExpression call) {
        check(call, call.method)
        checkOwner(call, call.objectExpression)
        super.visitMethodCallExpression(call)
    }

    @Override
    void visitPropertyExpression(PropertyExpression read) {
        check(read, read.property)
        checkOwner(read, read.objectExpression)
        super.visitPropertyExpression(read)
    }

    @Override
    void visitAttributeExpression(AttributeExpression read) {
        violates(read, 'a field is read past its getter')
    }

    @Override
    void visitMethodPointerExpression(MethodPointerExpression pointer) {
        violates(pointer, 'a method pointer')
    }

    @Override
    void visitBinaryExpression(BinaryExpression operation) {
        boolean isIndex = operation.operation.type == Types.LEFT_SQUARE_BRACKET
        if (isIndex && !(operation.rightExpression instanceof ConstantExpression && operation.rightExpression.value instanceof Integer)) {
            violates(operation, 'an index, which reads a property of whatever is no map: use get()')
        }
        super.visitBinaryExpression(operation)
    }

    private void check(Expression whole, Expression name) {
        if (!(name instanceof ConstantExpression)) {
            violates(whole, 'a name that is computed')
        } else if (name.value in REFLECTION) {
            violates(whole, "${name.value}, which takes a name")
        }
    }

    private void checkOwner(Expression whole, Expression owner) {
        if (owner instanceof MethodCallExpression && owner.method.text == 'getClass') {
            violates(whole, 'a class that an object tells, and may tell wrong: use Texts.typeOf()')
        }
    }

    private void violates(Expression where, String what) {
        addViolation(where, "In trusted code: ${what}.")
    }

}

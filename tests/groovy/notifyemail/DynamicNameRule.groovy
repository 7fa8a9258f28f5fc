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
 * Forbids calls and reads by a computed name. A sandboxed Jenkinsfile may call everything in a trusted library,
 * and could choose the name.
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
        violates(read, 'a field that is read without its getter')
    }

    @Override
    void visitMethodPointerExpression(MethodPointerExpression pointer) {
        violates(pointer, 'a method pointer')
    }

    @Override
    void visitBinaryExpression(BinaryExpression operation) {
        boolean isIndex = operation.operation.type == Types.LEFT_SQUARE_BRACKET
        if (isIndex && !(operation.rightExpression instanceof ConstantExpression && operation.rightExpression.value instanceof Integer)) {
            violates(operation, 'an index, which reads a property of anything but a map: use get()')
        }
        super.visitBinaryExpression(operation)
    }

    private void check(Expression whole, Expression name) {
        if (!(name instanceof ConstantExpression)) {
            violates(whole, 'a computed name')
        } else if (name.value in REFLECTION) {
            violates(whole, "${name.value}, whose argument is a name")
        }
    }

    private void checkOwner(Expression whole, Expression owner) {
        if (owner instanceof MethodCallExpression && owner.method.text == 'getClass') {
            violates(whole, 'getClass() of an object, which may return anything: use JsonValues.className()')
        }
    }

    private void violates(Expression where, String what) {
        addViolation(where, "In trusted code: ${what}.")
    }

}

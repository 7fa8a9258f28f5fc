ruleset {
    ruleset('rulesets/basic.xml')
    ruleset('rulesets/braces.xml')
    ruleset('rulesets/exceptions.xml') {
        exclude 'CatchException'      // what a step throws is whatever its plugin throws
        exclude 'CatchThrowable'      // the wrapper form must see what its body threw
        exclude 'CatchError'
        exclude 'ThrowError'
    }
    ruleset('rulesets/groovyism.xml') {
        exclude 'GetterMethodCouldBeProperty'
    }
    ruleset('rulesets/imports.xml') {
        exclude 'MisorderedStaticImports'
    }
    ruleset('rulesets/naming.xml') {
        exclude 'FactoryMethodName'
        exclude 'MethodName'          // a test's name is a sentence
        exclude 'ClassName'           // vars/notifyEmail.groovy is the step's name
        exclude 'ClassNameSameAsFilename'
        exclude 'ConfusingMethodName'
        PackageName {
            doNotApplyToFileNames = 'ResponseContentSupplier.groovy' // its package is named so by the plugin
        }
    }
    ruleset('rulesets/security.xml') {
        exclude 'JavaIoPackageAccess'
        exclude 'FileCreateTempFile'
        exclude 'UnsafeArrayDeclaration'
    }
    ruleset('rulesets/unused.xml') {
        exclude 'UnusedMethodParameter'
    }
    LineLength {
        length = 140
    }
    TrailingWhitespace
    NestedBlockDepth
    CyclomaticComplexity
}

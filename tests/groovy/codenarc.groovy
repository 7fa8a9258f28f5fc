ruleset {
    ruleset('rulesets/basic.xml') {
        EmptyClass {
            // Classes of Jenkins' of which the tests need a nested class only.
            doNotApplyToFileNames = 'DisableConcurrentBuildsJobProperty.groovy, ExecutorStepExecution.groovy, ' +
                'TimeoutStepExecution.groovy, ParallelStepExecution.groovy'
        }
        EqualsOverloaded {
            doNotApplyToFileNames = 'Actions.groovy' // ErrorAction's own
        }
    }
    ruleset('rulesets/braces.xml')
    ruleset('rulesets/exceptions.xml') {
        exclude 'CatchException'      // a step throws what its plugin throws
        exclude 'CatchThrowable'      // the form with a body must see its exception
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
            doNotApplyToFileNames = 'ResponseContentSupplier.groovy' // the plugin chose its package's name
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

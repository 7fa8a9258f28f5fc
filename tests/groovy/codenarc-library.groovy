// What vars/ and src/ keep to besides: a sandboxed Jenkinsfile can call all of a trusted library.
ruleset {
    rule(notifyemail.DynamicNameRule)
}

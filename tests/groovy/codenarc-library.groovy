// Rules for vars/ and src/ only: a sandboxed Jenkinsfile can call everything in a trusted library.
ruleset {
    rule(notifyemail.DynamicNameRule)
}

package harness

import java.util.regex.Matcher

/**
 * The methods and properties that sandboxed code may use: the part of script-security's and workflow's
 * allow-lists that the library and its tests need. Add an entry only if it is in those lists.
 */
class Allowed {

    /** `currentBuild` */
    static final Set<String> BUILD = [
        'currentResult', 'result', 'absoluteUrl', 'number', 'displayName', 'fullDisplayName', 'fullProjectName',
        'description', 'duration', 'durationString', 'startTimeInMillis', 'buildVariables', 'upstreamBuilds',
        'previousBuild', 'previousCompletedBuild', 'previousSuccessfulBuild', 'buildCauses', 'changeSets',
    ] as Set

    /** A change set, a change and its author. */
    static final Set<String> CHANGE = [
        'items', 'commitId', 'msg', 'timestamp', 'author', 'affectedPaths', 'fullName', 'id',
    ] as Set

    /** Java's methods: the type that first declares them → names. */
    static final Map<Class, List<String>> METHODS = [
        (Object)      : ['toString', 'equals', 'hashCode', 'getClass'],
        (CharSequence): ['length', 'isEmpty', 'charAt'],
        (String)      : ['contains', 'endsWith', 'indexOf', 'lastIndexOf', 'matches', 'replace', 'replaceAll', 'split',
                         'startsWith', 'substring', 'toLowerCase', 'toUpperCase', 'trim'],
        (Class)       : ['getName', 'getSimpleName'],
        (Comparable)  : ['compareTo'],
        (Throwable)   : ['getMessage', 'getCause'],
        (Iterable)    : ['iterator'],
        (Collection)  : ['add', 'addAll', 'contains', 'isEmpty', 'size'],
        (List)        : ['get', 'indexOf', 'subList'],
        (Map)         : ['containsKey', 'entrySet', 'get', 'isEmpty', 'keySet', 'put', 'putAll', 'size', 'values'],
        (Map.Entry)   : ['getKey', 'getValue'],
        (Number)      : ['intValue', 'longValue', 'plus', 'minus', 'multiply', 'compareTo'],
        (Closure)     : ['call', 'setDelegate', 'setResolveStrategy'],
        (groovy.json.JsonSlurper): ['parseText'],
    ]

    /** Methods that Groovy adds: type → names. Not getAt and putAt of Object: env[name] is a call of getAt, and is refused. */
    static final Map<Class, List<String>> ADDED = [
        (Object)      : ['any', 'collect', 'each', 'every', 'asBoolean'],
        (CharSequence): ['plus', 'toInteger', 'readLines'],
        (String)      : ['plus', 'toInteger', 'getAt', 'size'],
        (Iterable)    : ['any', 'every', 'join', 'plus'],
        (Collection)  : ['collect', 'each', 'find', 'findAll', 'isCase', 'join', 'leftShift', 'plus'],
        (List)        : ['each', 'getAt', 'leftShift', 'plus'],
        (Map)         : ['any', 'collect', 'each', 'every', 'find', 'getAt', 'leftShift', 'plus', 'putAt', 'withDefault'],
        (Number)      : ['plus', 'minus', 'multiply', 'next'],
        (Matcher)     : ['getAt', 'asBoolean'],
    ]

    static final Map<Class, List<String>> STATIC = [
        (System)     : ['currentTimeMillis'],
        (UUID)       : ['randomUUID'],
        (URLEncoder) : ['encode'],
        (String)     : ['valueOf', 'join', 'format'],
        (Integer)    : ['parseInt', 'valueOf'],
        (Collections): ['reverse', 'unmodifiableList', 'unmodifiableMap'],
    ].withDefault { [] }

    /** Methods of ScriptBytecodeAdapter: operators, and the casts that the CPS transformer makes. */
    static final Set<String> OPERATORS = [
        'compareEqual', 'compareNotEqual', 'compareLessThan', 'compareLessThanEqual', 'compareGreaterThan',
        'compareGreaterThanEqual', 'compareTo', 'isCase', 'findRegex', 'matchRegex', 'asType', 'castToType',
    ] as Set

}

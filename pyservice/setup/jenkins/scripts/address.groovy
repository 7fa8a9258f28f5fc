// Finds where this controller reaches the Postfix of its node. It needs only Java.

/** Interfaces by which containers reach their node, where the controller runs on the node itself. */
boolean isBridge(String name) {
    return name in ['docker0', 'cni0', 'cbr0', 'podman0'] || name.startsWith('br-')
}

/** Address → where it comes from, the likeliest first. */
Map<String, String> candidates() {
    Map<String, String> sources = [:]
    String given = System.getenv('NODE_IP')
    if (given) {
        sources[given] = 'the variable NODE_IP'
    }
    List<NetworkInterface> interfaces = Collections.list(NetworkInterface.networkInterfaces)
    interfaces.findAll { device -> isBridge(device.name) }.each { bridge ->
        addresses(bridge).each { address -> sources.putIfAbsent(address, bridge.name) }
    }
    // Outside of a container the gateway is a router, which may have a mail server of its own.
    if (isContainer()) {
        // Docker and Podman write it there; a name server that is away would cost many seconds.
        List<String> docker = textOf('/etc/hosts').readLines()*.tokenize().find { words ->
            words.drop(1).any { name -> name in ['host.docker.internal', 'host.containers.internal'] }
        }
        if (docker) {
            sources.putIfAbsent(docker[0], docker[1])
        }
        gateways().each { gateway -> sources.putIfAbsent(gateway.address, "the default gateway of ${gateway.name}".toString()) }
    }
    sources.remove('169.254.1.1') // Calico gives it to every pod as a gateway, and it is nobody's
    return sources
}

/** Returns a mail server's greeting, or why there is none: [greeting: text] or [error: text]. */
Map<String, String> greeting(String address, int port) {
    Socket socket = new Socket()
    try {
        socket.connect(new InetSocketAddress(address, port), 1000)
        socket.soTimeout = 8000 // Postfix may let a client wait for six seconds
        String line = new BufferedReader(new InputStreamReader(socket.inputStream, 'ISO-8859-1')).readLine() ?: ''
        if (line.startsWith('220')) {
            socket.outputStream << 'QUIT\r\n'
            return [greeting: line.take(200)]
        }
        return [error: line ? "it greets with ${line.take(200)}".toString() : 'it greets with nothing']
    } catch (IOException | IllegalArgumentException e) {
        return [error: "${e.getClass().simpleName}: ${e.message}".toString()]
    } finally {
        socket.close()
    }
}

List<String> addresses(NetworkInterface device) {
    return Collections.list(device.inetAddresses).findAll { address -> !address.linkLocalAddress }*.hostAddress
}

boolean isContainer() {
    boolean marked = ['/.dockerenv', '/run/.containerenv'].any { path -> new File(path).exists() } ||
        ['KUBERNETES_SERVICE_HOST', 'container'].any { name -> System.getenv(name) }
    // One end of a veth has a number of its own, and another one at its other end.
    return marked || gateways().any { gateway ->
        String folder = "/sys/class/net/${gateway.name}"
        textOf("${folder}/ifindex") != textOf("${folder}/iflink") && !new File("${folder}/device").exists()
    }
}

/** The default gateways of both route tables, the least metric first: [address:, name:]. */
List<Map> gateways() {
    List<Map> four = textOf('/proc/net/route').readLines().drop(1)*.tokenize().findAll { row ->
        row[1] == '00000000' && row[7] == '00000000' && row[2] != '00000000'
    }.collect { row ->
        String address = [6, 4, 2, 0].collect { place -> Integer.parseInt(row[2].substring(place, place + 2), 16) }.join('.')
        [address: address, name: row[0], metric: row[6] as long]
    }
    List<Map> six = textOf('/proc/net/ipv6_route').readLines()*.tokenize().findAll { row ->
        row[1] == '00' && row[0] ==~ /0+/ && !(row[4] ==~ /0+|fe80.*/)
    }.collect { row ->
        [address: InetAddress.getByAddress(row[4].decodeHex()).hostAddress, name: row[9], metric: Long.parseLong(row[5], 16)]
    }
    return four.sort { route -> route.metric } + six.sort { route -> route.metric }
}

String textOf(String path) {
    try {
        return new File(path).text
    } catch (IOException ignored) {
        return ''
    }
}

package jenkins.util

import harness.Recording

import java.nio.file.Files

/** Stands in for Jenkins' view of a build's archived artifacts. Like Ant's scanner, `list` follows symbolic links. */
class VirtualFile {

    private final File file

    VirtualFile(Object file) {
        this.file = Recording.read(file) as File
    }

    Collection<String> list(String includes, String excludes, boolean useDefaultExcludes) {
        assert excludes == null && useDefaultExcludes
        String regex = includes.replaceAll('[.+(){}\\[\\]]', '\\\\$0').replace('?', '[^/]').replace('**/', '(.\u0000/)?')
            .replace('**', '.\u0000').replace('*', '[^/]*').replace('\u0000', '*')
        return files(file, '').findAll { path -> path ==~ regex } as Set
    }

    private static List<String> files(File folder, String prefix) {
        return folder.listFiles().collectMany { child ->
            child.isDirectory() && prefix.length() < 40 ? files(child, "${prefix}${child.name}/") : ["${prefix}${child.name}".toString()]
        }
    }

    VirtualFile child(String name) {
        return new VirtualFile(new File(file, name))
    }

    boolean isFile() {
        return file.isFile()
    }

    String readLink() {
        return Files.isSymbolicLink(file.toPath()) ? Files.readSymbolicLink(file.toPath()).toString() : null
    }

    long length() {
        return file.length()
    }

    InputStream open() {
        return new FileInputStream(file)
    }

}

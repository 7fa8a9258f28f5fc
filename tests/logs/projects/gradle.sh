# Gradle, as Debian packages it (4.4.1); without it, the logs stay as they are.

needs gradle || return

# Runs Gradle as a build does that must not leave a daemon behind.
gradle_options="--no-daemon --offline --console plain"
project gradle
file settings.gradle <<<'rootProject.name = "shop"'
file build.gradle <<'GROOVY'
apply plugin: 'java'
dependencies { testCompile files('/usr/share/java/junit4.jar', '/usr/share/java/hamcrest-core.jar') }
GROOVY
file src/main/java/Cart.java <<'JAVA'
public class Cart {
    public int total(int... cents) {
        int sum = 0;
        for (int each : cents) sum += each;
        return summ;
    }
}
JAVA
log gradle-compile <<SH
gradle $gradle_options build
SH
sed -i s/summ/sum/ src/main/java/Cart.java
file src/test/java/CartTest.java <<'JAVA'
import static org.junit.Assert.assertEquals;
import org.junit.Test;

public class CartTest {
    @Test public void errorsAreLogged() { System.out.println("ERROR: an expected line"); }

    @Test public void addsUp() { assertEquals(430, new Cart().total(300, 120)); }
}
JAVA
log gradle-test <<SH
gradle $gradle_options test
SH
file build.gradle <<'GROOVY'
apply plugin: 'java'
version = releaseVersion
GROOVY
log gradle-script <<SH
gradle $gradle_options build
SH
file build.gradle <<'GROOVY'
apply plugin: 'java'
repositories { maven { url 'https://packages.invalid/maven2' } }
dependencies { compile 'com.example:ledger:9.9' }
GROOVY
log gradle-unknown-host <<'SH'
gradle --no-daemon --console plain compileJava
SH
log gradle-unknown-task <<SH
gradle $gradle_options bundle
SH

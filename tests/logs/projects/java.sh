# javac, Maven with Surefire, and programs that throw.

# Writes a Maven project's pom.xml: pom [more elements].
pom() {
  file pom.xml <<XML
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>com.example</groupId>
  <artifactId>shop</artifactId>
  <version>1.0</version>
  <properties>
    <maven.compiler.release>17</maven.compiler.release>
    <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>
  </properties>
  <dependencies>
    <dependency>
      <groupId>org.junit.jupiter</groupId>
      <artifactId>junit-jupiter</artifactId>
      <version>5.10.2</version>
      <scope>test</scope>
    </dependency>
    ${1:-}
  </dependencies>
  <build><plugins>
    <plugin><artifactId>maven-compiler-plugin</artifactId><version>3.13.0</version></plugin>
    <plugin><artifactId>maven-surefire-plugin</artifactId><version>3.2.5</version></plugin>
  </plugins></build>
</project>
XML
}

project java
file Cart.java <<'JAVA'
import java.util.List;

class Cart {
    int total(List<Integer> cents) {
        int sum = 0;
        for (int each : cents) sum += each;
        return summ;
    }

    String name() { return 42; }
}
JAVA
log javac-errors <<'SH'
javac Cart.java
SH
file Till.java <<'JAVA'
import java.nio.file.*;

public class Till {
    static String prices() {
        try {
            return Files.readString(Path.of("prices.json"));
        } catch (java.io.IOException e) {
            throw new IllegalStateException("the prices can't be loaded", e);
        }
    }

    public static void main(String[] args) {
        System.out.println("Error handling: on; 0 errors");
        prices();
    }
}
JAVA
log java-exception <<'SH'
javac -d out Till.java
java -cp out Till
SH
log java-no-class <<'SH'
java -cp out com.example.Shop
SH

project maven-compile
pom
file src/main/java/com/example/Cart.java <<'JAVA'
package com.example;

import java.util.Date;

public class Cart {
    public int year() { return new Date("1.1.2026").getYear(); }

    public int total(int... cents) {
        int sum = 0;
        for (int each : cents) sum += each;
        return totl;
    }

    public String name() { return 42; }
}
JAVA
# With a repository of its own, so that the log has the downloads.
log maven-compile <<SH
mvn -B -Dmaven.repo.local=$root/repository -DskipTests package
SH
sed -i -e 's/return totl/return sum/' -e 's/return 42/return "cart"/' src/main/java/com/example/Cart.java
file src/test/java/com/example/CartTest.java <<'JAVA'
package com.example;

import static org.junit.jupiter.api.Assertions.*;
import org.junit.jupiter.api.*;

class CartTest {
    @Test void errorsAreLogged() {
        new IllegalStateException("expected: this test passes").printStackTrace();
        System.out.println("ERROR: an expected line");
    }

    @Test void addsUp() { assertEquals(430, new Cart().total(300, 120), "the total in cents"); }

    @Test void findsNothing() { Object item = null; item.toString(); }
}
JAVA
log maven-test <<'SH'
mvn -B -ntp test
SH
file src/test/java/com/example/CartTest.java <<'JAVA'
package com.example;

import org.junit.jupiter.api.*;

class CartTest {
    static int tries;

    @Test void flaky() { Assertions.assertTrue(++tries > 1, "flaky: the first try fails"); }

    @Test void addsUp() { Assertions.assertEquals(430, new Cart().total(300, 120)); }
}
JAVA
log maven-test-rerun <<'SH'
mvn -B -ntp test -Dsurefire.rerunFailingTestsCount=1 -Dstyle.color=never
SH
log maven-unknown-phase <<'SH'
mvn -B -ntp bundle
SH

project maven-dependency
pom '<dependency><groupId>com.example</groupId><artifactId>ledger</artifactId><version>9.9</version></dependency>'
log maven-no-dependency <<'SH'
mvn -B -ntp -U compile
SH
log maven-no-dependency-again <<'SH'
mvn -B -ntp compile
SH
pom '<dependency><groupId>com.example</groupId><artifactId>ledger</artifactId></dependency>'
log maven-pom <<'SH'
mvn -B -ntp compile
SH
pom
file settings.xml <<'XML'
<settings><mirrors><mirror><id>nexus</id><mirrorOf>*</mirrorOf>
  <url>https://packages.invalid/maven2</url></mirror></mirrors></settings>
XML
log maven-unknown-host <<SH
mvn -B -ntp -s settings.xml -Dmaven.repo.local=$root/empty compile
SH

project maven-modules
file pom.xml <<'XML'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>com.example</groupId><artifactId>parent</artifactId><version>1.0</version>
  <packaging>pom</packaging>
  <modules><module>ledger</module><module>till</module><module>web</module></modules>
  <properties><maven.compiler.release>17</maven.compiler.release></properties>
  <build><pluginManagement><plugins>
    <plugin><artifactId>maven-compiler-plugin</artifactId><version>3.13.0</version></plugin>
  </plugins></pluginManagement></build>
</project>
XML
for module in ledger till web; do
  file $module/pom.xml <<XML
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <parent><groupId>com.example</groupId><artifactId>parent</artifactId><version>1.0</version></parent>
  <artifactId>$module</artifactId>
</project>
XML
  file $module/src/main/java/com/example/$module/Main.java <<JAVA
package com.example.$module;

class Main { int cents = 1; }
JAVA
done
sed -i 's/cents = 1/cents = "one"/' till/src/main/java/com/example/till/Main.java
log maven-modules <<'SH'
mvn -B -ntp compile
SH

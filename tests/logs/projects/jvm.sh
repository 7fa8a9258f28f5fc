# Kotlin and Scala by their Maven plugins, and Ant.

# Writes a Maven project's pom.xml: jvm_pom DEPENDENCY PLUGIN.
jvm_pom() {
  file pom.xml <<XML
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>com.example</groupId>
  <artifactId>shop</artifactId>
  <version>1.0</version>
  <properties><project.build.sourceEncoding>UTF-8</project.build.sourceEncoding></properties>
  <dependencies><dependency>$1</dependency></dependencies>
  <build>
    <sourceDirectory>src/main</sourceDirectory>
    <plugins><plugin>$2
      <executions><execution><goals><goal>compile</goal></goals></execution></executions>
    </plugin></plugins>
  </build>
</project>
XML
}

project kotlin
jvm_pom \
  '<groupId>org.jetbrains.kotlin</groupId><artifactId>kotlin-stdlib</artifactId><version>2.2.21</version>' \
  '<groupId>org.jetbrains.kotlin</groupId><artifactId>kotlin-maven-plugin</artifactId><version>2.2.21</version>'
file src/main/Cart.kt <<'KOTLIN'
package com.example

@Deprecated("errors are counted elsewhere")
fun errors(): Int = 0

fun total(cart: List<Int>): String {
    val unused = errors()
    return cart.summ()
}
KOTLIN
log kotlin-maven <<'SH'
mvn -B -ntp compile
SH

project scala
jvm_pom \
  '<groupId>org.scala-lang</groupId><artifactId>scala-library</artifactId><version>2.13.14</version>' \
  '<groupId>net.alchim31.maven</groupId><artifactId>scala-maven-plugin</artifactId><version>4.9.2</version>'
file src/main/Cart.scala <<'SCALA'
package com.example

object Cart {
  def total(cart: List[Int]): String = cart.sum
  def first(cart: List[Int]): Int = cart.heda
}
SCALA
log scala-maven <<'SH'
mvn -B -ntp compile
SH

if ! needs ant; then return; fi
project ant
file build.xml <<'XML'
<project name="shop" default="test">
  <target name="compile">
    <mkdir dir="out"/>
    <javac srcdir="src" destdir="out" includeantruntime="false" classpath="/usr/share/java/junit4.jar"/>
  </target>
  <target name="test" depends="compile">
    <junit haltonfailure="yes" printsummary="yes" fork="yes">
      <classpath path="out:/usr/share/java/junit4.jar:/usr/share/java/hamcrest-core.jar"/>
      <formatter type="plain" usefile="false"/>
      <test name="CartTest"/>
    </junit>
  </target>
  <target name="deploy"><copy file="out/shop.war" todir="/srv/shop"/></target>
</project>
XML
file src/Cart.java <<'JAVA'
public class Cart {
    public int total(int... cents) {
        int sum = 0;
        for (int each : cents) sum += each;
        return summ;
    }
}
JAVA
file src/CartTest.java <<'JAVA'
import static org.junit.Assert.assertEquals;
import org.junit.Test;

public class CartTest {
    @Test public void errorsAreLogged() { System.out.println("ERROR: an expected line"); }

    @Test public void addsUp() { assertEquals(430, new Cart().total(300, 120)); }
}
JAVA
log ant-compile <<'SH'
ant
SH
sed -i s/summ/sum/ src/Cart.java
log ant-test <<'SH'
ant test
SH
log ant-copy <<'SH'
ant deploy
SH
log ant-no-target <<'SH'
ant bundle
SH

project ant-exec
file build.xml <<'XML'
<project default="prices">
  <target name="prices"><exec executable="false" failonerror="true"/></target>
</project>
XML
log ant-exec <<'SH'
ant
SH

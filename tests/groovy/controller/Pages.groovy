package controller

/** What Jenkins shows when it can't or won't answer, as short as it can be and still be that page. */
class Pages {

    static final String STARTING = '''<!DOCTYPE html><html lang="en-US"><head data-rooturl=""><title>Starting Jenkins</title>
<meta name="ROBOTS" content="NOFOLLOW"></head><body><div class="simple-page" role="main"><div class="app-jenkins-booting">
<h1 class="loading">Please wait while Jenkins is getting ready to work</h1><p class="restarting">Your browser will reload
automatically when Jenkins is ready</p></div></div></body></html>'''

    static final String AUTHENTICATION_REQUIRED = '''<html><head>
<meta http-equiv='refresh' content='1;url=/login?from=%2FscriptText'/>
<script id='redirect' data-redirect-url='/login?from=%2FscriptText' src='/static/65437d3d/scripts/redirect.js'></script>
</head><body style='background-color:white; color:white;'>
Authentication required
<!--
-->

</body></html>'''

    static String error(int status, String message) {
        return """<html><head><meta http-equiv="Content-Type" content="text/html;charset=ISO-8859-1"/>
<title>Error ${status} ${message}</title></head><body><h2>HTTP ERROR ${status} ${message}</h2>
<table><tr><th>URI:</th><td>/</td></tr><tr><th>STATUS:</th><td>${status}</td></tr></table>
<hr/><a href="https://jetty.org/">Powered by Jetty:// 12.0.25</a><hr/></body></html>"""
    }

    static String denied(String user, String permission) {
        return """<!DOCTYPE html><html><head><title>Jenkins</title></head><body><h1>Access Denied</h1>
<p class="error">${user} is missing the ${permission} permission</p></body></html>"""
    }

}

package jenkins.model

import controller.Home
import hudson.model.Descriptor

/** Stands in for Jenkins': its URL and its sender. */
class JenkinsLocationConfiguration extends Descriptor {

    static final String NOT_CONFIGURED = 'address not configured yet <nobody@nowhere>'

    private static JenkinsLocationConfiguration instance

    final String id = JenkinsLocationConfiguration.name

    private String adminAddress
    private String jenkinsUrl

    JenkinsLocationConfiguration() {
        Map saved = Home.load('jenkins.model.JenkinsLocationConfiguration') ?: [:]
        adminAddress = saved.adminAddress
        jenkinsUrl = saved.jenkinsUrl
    }

    static JenkinsLocationConfiguration get() {
        instance = instance ?: new JenkinsLocationConfiguration()
        return instance
    }

    static void forget() {
        instance = null
    }

    String getAdminAddress() {
        return adminAddress ?: NOT_CONFIGURED
    }

    void setAdminAddress(String adminAddress) {
        this.adminAddress = adminAddress?.trim() ?: null
        save()
    }

    String getUrl() {
        return jenkinsUrl
    }

    void setUrl(String url) {
        jenkinsUrl = url && !url.endsWith('/') ? url + '/' : url ?: null
        save()
    }

    @Override
    Object getState() {
        return [adminAddress: adminAddress, jenkinsUrl: jenkinsUrl]
    }

}

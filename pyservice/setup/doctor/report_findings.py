"""What can be wrong in Jenkins, and on the path of a report from it to the service."""

from pyservice.setup.doctor.finding import Known

REPORT_FINDINGS = (
    Known(
        "jenkins-silent",
        "error",
        "Jenkins' settings can't be read. {text}",
        "notify-email jenkins status --jenkins-url URL",
        "anywhere",
    ),
    Known(
        "controller-cut-off",
        "error",
        "No Postfix greets Jenkins' controller. It tried {tried}",
        "notify-email doctor --print-script | kubectl exec -i POD -- bash",
        "anywhere",
    ),
    Known(
        "mailer-elsewhere",
        "error",
        "Jenkins' Mailer sends to {host}, and this node's Postfix is at {address}:{port}.",
        "notify-email jenkins apply",
        "anywhere",
    ),
    Known(
        "address-drifted",
        "error",
        "Jenkins' Mailer sends to {host}, an earlier address of the bridge or another node's; now "
        "it is {address}.",
        "notify-email jenkins apply",
        "anywhere",
    ),
    Known(
        "email-ext-elsewhere",
        "error",
        "The plugin email-ext has an SMTP server of its own, {host}, and this node's Postfix is at "
        "{address}:{port}.",
        "notify-email jenkins apply",
        "anywhere",
    ),
    Known(
        "jenkins-url-missing",
        "error",
        "Jenkins does not know its own URL, so no mail can have a link to a build.",
        "echo \"jenkins.model.JenkinsLocationConfiguration.get().url = 'URL'\" "
        "| java -jar jenkins-cli.jar -s URL groovy =",
        "anywhere",
    ),
    Known(
        "admin-address-missing",
        "error",
        "Jenkins has no admin address, which is the sender of its mails.",
        "notify-email jenkins apply --admin-address ADDRESS",
        "anywhere",
    ),
    Known(
        "library-missing",
        "error",
        "Jenkins has no trusted library notify-email, so no Pipeline can load it. A folder's own "
        "library is not seen from here.",
        "notify-email jenkins apply --library URL@VERSION",
        "anywhere",
    ),
    Known(
        "service-url-missing",
        "error",
        "Jenkins has no global variable NOTIFY_EMAIL_URL, so no report gets to the service.",
        "notify-email jenkins apply --service-url auto",
        "anywhere",
    ),
    Known(
        "service-down",
        "error",
        "The service does not answer at {url}: {text}. The settings say that it listens there.",
        "systemctl restart notify-email; journalctl -u notify-email -n 20 --no-pager",
    ),
    Known(
        "service-unreachable",
        "error",
        "{machine} does not reach the service at {url}: {text}",
        "ss -ltnp sport = :{port}",
    ),
    Known(
        "not-the-service",
        "error",
        "What {machine} meets at {url} is not the service: {text}",
        "ss -ltnp sport = :{port}",
    ),
    Known(
        "service-certificate",
        "error",
        "{machine} does not accept the certificate of {url}: {text}",
        "openssl s_client -connect {host}:{port} -servername {host} </dev/null "
        "| openssl x509 -noout -subject -issuer -dates -ext subjectAltName",
        "anywhere",
    ),
    Known(
        "service-name-refused",
        "error",
        "The service refuses the name in {url}, by which {machine} calls it: {text}",
        "notify-email jenkins apply --service-url auto",
        "anywhere",
    ),
    Known(
        "service-not-ready",
        "error",
        "The service at {url} is not ready: {text}",
        "journalctl -u notify-email -n 20 --no-pager",
    ),
    Known(
        "token-refused",
        "error",
        "The service at {url} refuses {whose}: {text}",
        "notify-email token new NAME >FILE && notify-email jenkins apply --service-token-file FILE",
    ),
)

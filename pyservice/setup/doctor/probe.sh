# Walks the path of a mail from this container to the node's Postfix, and names what is wrong.
# Made by `notify-email doctor --print-script`: kubectl exec -i POD -- sh < this
# Needs bash, or another shell with nc, mkfifo and coreutils (BusyBox, toybox). Nothing is written but two pipes.
# shellcheck shell=sh disable=SC2034,SC2154,SC2317,SC3025,SC3028,SC3045 # bash's own are guarded
LC_ALL=C
export LC_ALL
# @VALUES@

# All of it is functions, read before any of them runs: the script may be our standard input.
main() {
  net='' folder='' connected='' spoke='' seen='' network='' seconds='' text='' command='' line='' iptables=iptables
  cr=$(printf '\r')
  trap clean_up EXIT
  # dash runs this one in the midst of the other, if the signal ended an `exec` that waited.
  trap 'clean_up; exit 1' HUP INT TERM
  find_address || finding no-address
  connect
  command='the greeting' && listen
  case $code in
    220) ;;
    silent) no_greeting ;;
    nonsense) finding not-postfix ;;
    *) refused ;;
  esac
  greeting=$text
  read -r name </proc/sys/kernel/hostname || name=localhost
  ask EHLO 250 "EHLO $name"
  ask MAIL 250 "MAIL FROM:<$sender>"
  case "$greeting $text" in
    *Postfix* | *'2.1.0 Ok'*) ;;
    *) text=$greeting && finding not-postfix ;;
  esac
  ask RCPT 250 "RCPT TO:<$recipient>"
  if [ "$is_sent" = yes ]; then
    ask DATA 354 DATA
    say "From: <$sender>"
    say "To: <$recipient>"
    say 'Subject: notify-email doctor'
    say 'Auto-Submitted: auto-generated'
    say ''
    say 'The path from here to you is open.'
    ask 'the final dot' 250 .
    text="Postfix has it as ${text##* }."
  else
    text='Nothing was sent: --send-to does.'
  fi
  result=$text
  ask QUIT 221 QUIT
  checked="Postfix at $address:$port"
  if [ -n "$service_url" ]; then
    ask_service && checked="$checked and the service at $service_url"
  else
    result="The service was not checked: --service-url does. $result"
  fi
  printf '\nAll is well with %s. %s\n' "$checked" "$result"
  exit 0
}

clean_up() {
  # Connected, bash's other half ends by itself once nobody writes to it any more.
  # $! is nc or its clock, even before the variable is set.
  [ -n "${BASH_VERSION:-}" ] && [ -n "$connected" ] || kill -KILL ${net:+"$net"} "$!" 2>/dev/null
  [ -z "$folder" ] || rm -rf "$folder"
}

# ---- Where the node is

find_address() {
  [ -z "$address" ] || return 0
  case ${NODE_IP:-} in
    '' | *[!0-9a-fA-F.:]*) ;;
    *) address=$NODE_IP && return 0 ;;
  esac
  while read -r ip names; do
    case " $names " in
      *' host.docker.internal '* | *' host.containers.internal '*) address=$ip && return 0 ;;
    esac
  done </etc/hosts
  while read -r _ destination gateway _ _ _ _ mask _; do
    if [ "$destination$mask" = 0000000000000000 ] && [ "$gateway" != 00000000 ]; then
      address=$(dotted "$gateway")
      # Calico's, and nobody's.
      [ "$address" = 169.254.1.1 ] || return 0
      address=''
    fi
  done </proc/net/route
  return 1
}

# Print the kernel's hexadecimal number in host byte order as an address: 015B16AC is 172.22.91.1.
dotted() {
  d=${1%??????} c=${1#??} b=${1#????} a=${1#??????}
  c=${c%????} b=${b%??}
  echo "$((0x$a)).$((0x$b)).$((0x$c)).$((0x$d))"
}

# Set seen, the address that Postfix sees as far as we know, and network, which is to be let in: ours or, if
# Postfix sees somebody else, or we are on the Internet, none that we know.
find_own_network() {
  own=''
  case $address in
    *:*.*) ;;
    # The kernel's files do not have which of our addresses it would be.
    *:*) iptables=ip6tables network=NETWORK seen=${seen:-this pod} && return ;;
  esac
  while read -r first second rest; do
    case "$first $second $rest" in
      '|-- '*) candidate=$second ;;
      '/32 host LOCAL') [ -n "$own" ] || case $candidate in 127.*) ;; *) own=$candidate ;; esac ;;
    esac
  done </proc/net/fib_trie
  seen=${seen:-$own}
  network=NETWORK
  [ "$seen" = "$own" ] || return 0
  case $own in
    10.* | 192.168.* | 172.1[6-9].* | 172.2[0-9].* | 172.3[01].*) ;;
    100.6[4-9].* | 100.[7-9][0-9].* | 100.1[01][0-9].* | 100.12[0-7].*) ;;
    *) return 0 ;;
  esac
  network=$own/32
  while read -r _ destination gateway _ _ _ _ mask _; do
    case "$gateway $mask" in
      *FFFFFFFF | *' 00000000') ;;
      '00000000 '*) network=$(dotted "$destination")/$(bits "$mask") ;;
    esac
  done </proc/net/route
}

bits() {
  count=0 rest=$1
  while [ -n "$rest" ]; do
    case $rest in
      F*) count=$((count + 4)) ;;
      E*) count=$((count + 3)) ;;
      C*) count=$((count + 2)) ;;
      8*) count=$((count + 1)) ;;
    esac
    rest=${rest#?}
  done
  echo "$count"
}

# ---- The conversation: the server is read from 3 and written to 4

connect() {
  printf '* connecting to %s port %s, for up to %s s\n' "$address" "$port" "$timeout"
  if [ -n "${BASH_VERSION:-}" ]; then
    # Other shells can't even parse it.
    eval 'coproc NET { through_bash 2>&1; }; exec 3<&"${NET[0]}" 4>&"${NET[1]}"; net=$NET_PID'
    return
  fi
  if ! command -v nc >/dev/null || ! command -v mkfifo >/dev/null; then
    command -v bash >/dev/null && how='run it by bash' || how='use --print-script --python'
    echo "This shell has no way to connect, without nc and mkfifo: $how." >&2
    exit 2
  fi
  for place in "${TMPDIR:-/tmp}" /dev/shm "${HOME:-/}" .; do
    folder=$place/notify-email-doctor.$$
    mkdir -m 700 "$folder" 2>/dev/null && break
    folder=''
  done
  if [ -z "$folder" ]; then
    echo 'There is no folder to make a pipe in: use --print-script --python.' >&2
    exit 2
  fi
  mkfifo "$folder/in" "$folder/out"
  # BusyBox' and toybox' know no -v.
  case $(nc -h 2>&1) in *BusyBox* | *'nc --help'*) v='' ;; *) v=-nv ;; esac
  nc $v "$address" "$port" <"$folder/in" >"$folder/out" 2>&1 &
  net=$!
  exec 4>"$folder/in" 3<"$folder/out"
}

through_bash() {
  exec 5<>"/dev/tcp/$address/$port" || exit
  echo connected
  while IFS= read -r line <&5 || [ -n "$line" ]; do printf '%s\n' "$line"; done &
  # Else nobody would notice the server's end.
  exec >/dev/null 2>&1
  while IFS= read -r line; do printf '%s\n' "$line" >&5; done
  kill $!
}

# Time is over: end nc, and say whether it was connected, since not every nc does. The kernel's table
# has it: address and port in hexadecimal, as in the route table, and state 01.
expire() {
  IFS=.
  # shellcheck disable=SC2086 # it is to be split
  set -- $address
  there=$(printf '%02X%02X%02X%02X:%04X' "$4" "$3" "$2" "$1" "$port")
  unset IFS
  # A loop of read would take seconds where there are many connections.
  case $(cat /proc/net/tcp) in
    *" $there 01 "*) { kill "$net" && echo connected; } >"$folder/out" ;;
    *) kill "$net" ;;
  esac
}

now() { if [ -n "${BASH_VERSION:-}" ]; then echo "$SECONDS"; else date +%s; fi; }

# Set line to the server's next one, without its end; fail if there is none in time.
hear() {
  if [ -n "${BASH_VERSION:-}" ]; then
    IFS= read -r -t "$timeout" line <&3 || [ -n "$line" ] || return 1
  else
    (sleep "$timeout" && expire) </dev/null >/dev/null 2>&1 3<&- 4>&- &
    dog=$!
    IFS= read -r line <&3 || [ -n "$line" ]
    heard=$?
    # A TERM may be lost while a new process still has our traps, and the dog would bite later.
    kill -KILL "$dog" 2>/dev/null
    [ "$heard" = 0 ] || return 1
  fi
  line=${line%"$cr"}
  case $line in
    *[![:print:]]*)
      if [ -n "${BASH_VERSION:-}" ]; then
        eval 'line=${line//[![:print:]]/?}'
      else
        line=$(printf %s "$line" | tr -c '[:print:]' '?')
      fi
      ;;
  esac
}

# Set code (of the reply, or: silent, nonsense) and text (all of the reply).
listen() {
  text='' since=$(now) lines=0
  while hear; do
    case $line in
      [0-9][0-9][0-9]-*)
        printf '< %s\n' "$line"
        text="$text${line#????} " code=nonsense lines=$((lines + 1))
        [ "$lines" -lt 50 ] || return
        [ $(($(now) - since)) -le "$timeout" ] || break
        ;;
      [0-9][0-9][0-9] | [0-9][0-9][0-9]' '*)
        printf '< %s\n' "$line"
        code=${line%"${line#???}"} text="$code $text${line#????}"
        return
        ;;
      # Of ncat before it connects, and of netcat-traditional as it is ended.
      'Ncat: Version '* | '') ;;
      connected | *' succeeded!'* | *' open' | *': Connected to '*)
        [ -n "$connected$spoke" ] || printf '* connected to %s port %s\n' "$address" "$port"
        connected=yes
        ;;
      *)
        [ -n "$spoke$connected" ] || case $line in
          *onnect* | *oute* | *imed\ out* | *ermission*)
            text=$line code=silent
            printf '* %s port %s: %s\n' "$address" "$port" "${line##*: }"
            return
            ;;
        esac
        printf '< %s\n' "$line"
        text=$line code=nonsense
        return
        ;;
    esac
  done
  code=silent
  if [ $(($(now) - since)) -ge "$timeout" ]; then
    text="no answer within $timeout s"
  else
    text='it closed the connection'
  fi
  printf '* %s\n' "$text"
}

no_greeting() {
  case "$connected $text" in
    *refused*) finding refused ;;
    'yes no answer'*) seconds="more than $timeout" && finding greeting-slow ;;
    *closed*) text='nothing, and it hangs up' && finding not-postfix ;;
    *) text=${text##*: } && find_own_network && finding filtered ;;
  esac
}

say() {
  spoke=yes
  printf '> %s\n' "$1"
  printf '%s\r\n' "$1" >&4
}

ask() { # COMMAND EXPECTED LINE
  command=$1
  say "$3"
  listen
  [ "$code" = "$2" ] || [ "$command" = QUIT ] || refused
}

# ---- The service

# Ask whether it is ready; fail if this pod has nothing to ask by.
ask_service() {
  url=$service_url machine='this pod'
  rest=${url#*://} && host=${rest%%/*}
  case $url in https://*) service_port=443 ;; *) service_port=80 ;; esac
  case $host in *:*[!0-9]*) ;; *:*) service_port=${host##*:} host=${host%:*} ;; esac
  printf '* GET %s/readyz\n' "$url"
  if command -v curl >/dev/null; then
    text=$(curl -sS -k --noproxy '*' -m "$timeout" -o /dev/null "$url/readyz" 2>&1) || unreachable
    text=$(curl -sS --noproxy '*' -m "$timeout" "$url/readyz" 2>&1) || untrusted
  elif command -v wget >/dev/null; then
    text=$(wget -q -T "$timeout" -O - "$url/readyz" 2>&1) || case $text in
      *503*) port=$service_port && finding service-not-ready ;;
      *ertificate*) untrusted ;;
      *) unreachable ;;
    esac
  else
    result="The service was not checked: this pod has neither curl nor wget. $result"
    return 1
  fi
  clean
  port=$service_port
  case $text in
    *'"status":"ok"'* | *'"status": "ok"'*) ;;
    *'"status":"unavailable"'*) finding service-not-ready ;;
    *) finding not-the-service ;;
  esac
}

clean() { text=$(printf %.500s "$text" | tr -c '[:print:]' '?'); }
unreachable() { clean && port=$service_port && finding service-unreachable; }
untrusted() { clean && port=$service_port && finding service-certificate; }

# ---- What it means

refused() {
  case $text in
    *'Relay access denied'* | *'Client host rejected'*)
      case $text in
        *\[*\]*) seen=${text#*\[} && seen=${seen%%\]*} ;;
      esac
      case $seen in *[!0-9a-fA-F.:]*) seen='' ;; esac
      find_own_network
      case $text in
        *'Relay access denied'*) finding relay-denied ;;
        *) finding client-refused ;;
      esac
      ;;
    *'Sender address rejected'* | *'Bad sender address'*) finding sender-refused ;;
    *'Insufficient system storage'*) finding disk-full ;;
    *) finding rejected ;;
  esac
}

finding() { # ID
  catalogue "$1"
  printf '\nFinding %s: %s\nCure%s:\n    %s\n' "$1" "$sentence" "$where" "$cure"
  exit 1
}

main
exit

#!/bin/sh
# Runs the very steps of a Dockerfile without docker: each stage is a Debian 12 made by debootstrap, RUN is
# a chroot, COPY a copy, USER and ENV are kept. At the end the ENTRYPOINT is started as that user. Takes
# a quarter of an hour, so it must be asked for:
#
#   LARQL_DEPLOY_CHROOT=1 tests/deploy/image.sh [DOCKERFILE]
#
# Exit code 77: could not be tested.
set -eu
cd "$(dirname "$0")/../.."
. tests/deploy/common.sh
file=${1:-deploy/fly/Dockerfile}
wants_chroot || skip "set LARQL_DEPLOY_CHROOT=1 (root, a Debian mirror)"
work=$(mktemp -d "${TMPDIR:-/var/tmp}/larql-image.XXXXXX")
leave() {
  for stage in "$work"/stage-*; do
    for place in proc dev; do umount "$stage/$place" 2>/dev/null || true; done
  done
  rm -rf --one-file-system "$work"
}
trap leave EXIT
trap 'exit 130' INT TERM

echo "image: a clean Debian"
clean_debian "$work/base"

# One line an instruction: NAME, a tab, the rest with continued lines joined.
PYTHONDONTWRITEBYTECODE=1 python3 -c 'import sys; sys.path.insert(0, "tests/deploy"); import dockerfile
for _, name, rest in dockerfile.instructions(open(sys.argv[1]).read()): print(name, rest, sep="\t")' "$file" >"$work/steps"

number=0 root='' dir=/ user=0 entry=''
tab=$(printf '\t')
: >"$work/env"
while IFS=$tab read -r name rest <&3; do
  echo "image: $name $rest" | cut -c1-120
  case $name in
  FROM)
    number=$((number + 1)) dir=/ user=0
    root=$work/stage-$number
    cp -a "$work/base" "$root"
    mkdir -p "$root/proc" "$root/dev"
    mount -t proc proc "$root/proc"
    mount --bind /dev "$root/dev"
    : >"$work/env"
    set -- ${rest#--platform=* }
    [ "${2:-}" != AS ] || ln -s "stage-$number" "$work/name-$3"
    ;;
  WORKDIR) dir=$rest && mkdir -p "$root$dir" ;;
  ENV) printf '%s\n' "$rest" | tr ' ' '\n' | grep . >>"$work/env" ;;
  USER) user=$rest ;;
  ENTRYPOINT) entry=$rest ;;
  COPY)
    set -- $rest
    case $1 in
    --from=*) cp -a "$work/name-${1#--from=}/${2#/}" "$root$3" ;;
    .) git ls-files -co --exclude-standard -z | xargs -0 cp -a --parents -t "$root$dir" ;;
    *) install -D "$1" "$root$dir/$2" ;;
    esac
    ;;
  RUN)
    # shellcheck disable=SC2046  # words of the environment hold no spaces
    chroot "$root" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive \
      $(cat "$work/env") sh -ec "cd $dir; $rest" >"$work/run.log" 2>&1 </dev/null || { tail -40 "$work/run.log" >&2; exit 1; }
    ;;
  ARG | VOLUME | EXPOSE | STOPSIGNAL) ;; # arguments of the platform: empty, which is this one
  *) echo "image: $name is not known here" >&2 && exit 1 ;;
  esac
done 3<"$work/steps"

umount "$root/proc" "$root/dev"
program=$(python3 -c 'import json, sys; print(json.loads(sys.argv[1])[0])' "$entry")
echo "image: size $(du -sm --one-file-system "$root" | cut -f1) MB, base $(du -sm "$work/base" | cut -f1) MB"
# shellcheck disable=SC2046
chroot --userspec="$user" "$root" env -i $(cat "$work/env") "$program" --version
# Its settings are those of the image: a public address without TLS is refused, as it must be.
# shellcheck disable=SC2046
said=$(chroot --userspec="$user" "$root" env -i $(cat "$work/env") "$program" 2>&1) && exit 1
case $said in *"listens on loopback"*) echo "image: without a secret it says: $said" ;; *) echo "image: $said" >&2; exit 1 ;; esac

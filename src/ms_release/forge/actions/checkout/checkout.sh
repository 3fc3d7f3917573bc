# Fetches one revision of a repository from the forge into the workspace, as actions/checkout does.
set -euo pipefail

folder="$GITHUB_WORKSPACE/$WHERE"
header="AUTHORIZATION: basic $(printf 'x-access-token:%s' "$TOKEN" | base64 | tr -d '\n')"
export GIT_TERMINAL_PROMPT=0 GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
# The token travels in the environment: anybody can read the arguments of a process.
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0="http.$GITHUB_SERVER_URL/.extraheader" GIT_CONFIG_VALUE_0="$header"

git init -q "$folder"
cd "$folder"
git remote remove origin 2>/dev/null || true
git remote add origin "$GITHUB_SERVER_URL/$REPOSITORY.git"

# What to fetch: `commit` if it is known, `target` = the reference it belongs to.
commit='' target="$REF"
if [ -z "$REF" ] && [ "$REPOSITORY" = "$GITHUB_REPOSITORY" ]; then
  commit="$GITHUB_SHA" target="$GITHUB_REF"
elif [[ "$REF" =~ ^[0-9a-f]{40}$ ]]; then
  commit="$REF" target=''
elif [ -z "$REF" ]; then
  target="$(git ls-remote --symref origin HEAD | sed -n 's/^ref: \(.*\)\tHEAD$/\1/p')"
elif [[ "$REF" != refs/* ]]; then
  names="$(git ls-remote origin "refs/heads/$REF" "refs/tags/$REF" | cut -f 2)"
  case $'\n'"$names"$'\n' in
    *$'\n'"refs/heads/$REF"$'\n'*) target="refs/heads/$REF" ;;
    *$'\n'"refs/tags/$REF"$'\n'*) target="refs/tags/$REF" ;;
    *) echo "::error::A branch or tag with the name '$REF' could not be found"; exit 1 ;;
  esac
fi

case "$target" in
  refs/heads/*) local_ref="refs/remotes/origin/${target#refs/heads/}" ;;
  refs/pull/*) local_ref="refs/remotes/pull/${target#refs/pull/}" ;;
  refs/tags/*) local_ref="$target" ;;
  *) local_ref='' ;;
esac
options=(--quiet --no-tags --prune --no-recurse-submodules) specs=()
if [ "$DEPTH" = 0 ]; then
  specs+=('+refs/heads/*:refs/remotes/origin/*' '+refs/tags/*:refs/tags/*')
else
  options+=("--depth=$DEPTH")
  if [ "$TAGS" = true ]; then specs+=('+refs/tags/*:refs/tags/*'); fi
fi
# A tag is fetched by its name, so that an annotated one stays annotated.
if [ -n "$local_ref" ] && { [ -z "$commit" ] || [ "$local_ref" = "$target" ]; }; then
  specs+=("+$target:$local_ref")
elif [ -n "$commit" ] && [ "$DEPTH" = 0 ] && [[ "$target" = refs/heads/* ]]; then
  specs+=("$commit")
elif [ -n "$commit" ]; then
  specs+=("+$commit${local_ref:+:$local_ref}")
fi
git fetch "${options[@]}" origin "${specs[@]}"

git config advice.detachedHead false
case "$target" in
  refs/heads/*)
    # History may have been fetched after the branch moved on; the run is about its own commit.
    if [ -n "$commit" ]; then git update-ref "$local_ref" "$commit"; fi
    git checkout -q --force -B "${target#refs/heads/}" "$local_ref" ;;
  '') git checkout -q --force --detach "$commit" ;;
  *) git checkout -q --force --detach "${local_ref:-FETCH_HEAD}" ;;
esac
if [ "$PERSIST" = true ]; then
  chmod 600 .git/config
  printf '[http "%s/"]\n\textraheader = %s\n' "$GITHUB_SERVER_URL" "$header" >> .git/config
fi
git log -1 --format='HEAD is now at %h %s'
echo "ref=$REF" >> "$GITHUB_OUTPUT"
echo "commit=$(git rev-parse HEAD)" >> "$GITHUB_OUTPUT"

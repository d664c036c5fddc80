# Run by coreutils.rs in an empty folder of the mount and in one of a disk: what it prints must be the same.
# No `set -e`: a command that fails is part of what is compared. Messages name the same relative paths in both.
exec 2>&1
umask 022

step() { printf '== %s\n' "$1"; }
# Runs a command and tells its exit code.
try() { "$@"; printf 'code %s\n' "$?"; }
# Bytes that are the same in each run: so many lines.
lines() { seq 1 "$1" | sed 's/$/ the quick brown fox jumps over the lazy dog/'; }

step 'create and read'
printf 'hello\n' > hello
try cat hello
try test -f hello
try test -s hello
: > empty
try stat -c '%n %s %F' hello empty
try cat missing

step 'append'
for i in 1 2 3 4 5; do echo "line $i" >> log; done
try cat log
cat log log >> log2
try wc -c log2

step 'overwrite'
echo longer than before > hello
echo short > hello
try cat hello
set -C
try sh -c 'set -C; echo no > hello'
set +C

step 'open for reading and writing'
printf 'abcdefghij' > rw
printf XY 1<> rw
try cat rw
echo
exec 3<> rw
read -r first <&3
echo "read $first"
echo tail >&3
exec 3>&-
try cat rw

step 'dd at an offset'
lines 2000 > block
printf 'PATCH' | dd of=block bs=1 seek=12345 conv=notrunc status=none
try sha256sum block
dd if=block bs=1000 skip=3 count=2 status=none | sha256sum
dd if=/dev/zero of=sparse bs=1 count=1 seek=100000 status=none
try stat -c %s sparse
try sha256sum sparse
try dd if=block of=copy bs=64k oflag=append conv=notrunc status=none
try cmp block copy

step 'truncate'
cp block cut
try truncate -s 1000 cut
try stat -c %s cut
try truncate -s 5000 cut
try sha256sum cut
try truncate -s +100 cut
try truncate -s 0 cut
try stat -c %s cut

step 'folders'
try mkdir d
try mkdir d
try mkdir -p d/e/f/g
try rmdir d
try rmdir d/e/f/g
try test -d d/e/f
try rmdir missing
try mkdir missing/d
try ls -A d d/e

step 'copy'
mkdir -p tree/a/b tree/c
lines 10 > tree/one
lines 20 > tree/a/two
lines 3000 > tree/a/b/three
: > tree/c/none
try cp -r tree copied
try diff -r tree copied
try cp tree/one tree/a/two copied/c
try cp tree/one copied/c/missing/one
try cp -p tree/one preserved
try cmp tree/one preserved
try cp --sparse=always tree/a/b/three sparse3
try cmp tree/a/b/three sparse3
try install -D -m 755 tree/one installed/deep/one
try stat -c '%n %s' installed/deep/one

step 'move'
try mv preserved renamed
try cat missing preserved
try mv renamed copied/c/renamed
try mv tree/one tree/a/two copied/a
try ls tree/a copied/a
try mv copied moved
try test -e copied
find moved -type f | sort
try mv -n hello log
try mv -T moved/a moved/b
try mv missing elsewhere
try mv tree/a/b/three moved/c/none
try cmp moved/c/none moved/b/b/three
try sh -c 'cd moved && mv c ../c2'
try find . -name c2

step 'remove'
try rm hello
try test -e hello
try rm hello
try rm moved
try rm -r moved/b
find moved | sort
try rm -rf moved tree missing
try ls
try unlink log2
echo again > hello
try cat hello

step 'symbolic links'
mkdir links
echo target > links/target
ln -s target links/relative
ln -s ../log links/up
ln -s missing links/dangling
ln -s . links/self
try readlink links/relative links/up links/dangling
try cat links/relative links/up links/self/target
try cat links/dangling
try test -L links/relative
try test -e links/dangling
try ls links
find links -type l | sort
try stat -c '%n %F' links/relative
try ln -s again links/relative
try ln -sf again links/relative
try readlink links/relative
echo through > links/up
try cat log
try mv links/up links/higher
try readlink links/higher
try rm links/relative
try ls links
try cp -a links links2
find links2 -printf "%P %l\n" | sort
try ln -s "$PWD/log" links/absolute
try cat links/absolute
rm links/absolute

step 'hard links'
echo linked > first
try ln first second
try cat second
try ln first second
try rm first
try cat second

step 'edit in place'
lines 100 > edit
try sed -i 's/fox/cat/; 50,60d' edit
try sha256sum edit
try sort -r -o edit edit
try head -n 3 edit
try tail -n 3 edit
try tail -c 100 edit

step 'filters'
lines 5000 > big
try split -l 1000 big part.
try ls
cat part.* | cmp - big && echo joined
try wc part.aa part.ab
shuf --random-source=big big > shuffled
sort -n shuffled | cmp - big && echo sorted
try comm -12 part.aa edit
cut -d ' ' -f 1 big | sort -u | wc -l
tr a-z A-Z < big | sha256sum
tee tee1 tee2 < edit | cksum
try cmp tee1 tee2
paste edit edit | md5sum
nl edit | tail -n 1
split -n 3 -d big third. && cat third.* | cmp - big && echo thirds
csplit -s -f piece. edit 10 20 && wc -l piece.*
rm part.* third.* piece.*

step 'sort with files of its own'
mkdir tmp
try sort -S 32k -T tmp -n shuffled -o sorted
try cmp sorted big
try ls -A tmp

step 'archives'
mkdir -p pack/in
cp big pack/in/big
ln -s in/big pack/link
echo x > 'pack/name with spaces and ümlaut'
try tar --sort=name -cf pack.tar pack
mkdir unpacked
try tar -xf pack.tar -C unpacked
try diff -r pack unpacked/pack
try readlink unpacked/pack/link
try gzip -k big
try sh -c 'gzip -dc big.gz | cmp - big'
try gzip -t big.gz
try tar -rf pack.tar edit
try tar -tf pack.tar
rm pack.tar big.gz

step 'modes and times'
echo '#!/bin/sh
echo "runs with $#"' > script
try chmod 700 script
try stat -c %a script
try ./script a b
try touch -d '2020-02-03 04:05:06 UTC' script
try stat -c %Y script
try touch new
try test new -nt script
try touch new
try cp --preserve=timestamps script script2
try stat -c %Y script2
try chmod -R a+rX links
try chown 1:1 new
try stat -c '%u:%g' new

step 'names'
for name in 'a b' 'a+b' 'a%20b' 'a&b=c' "quote'" 'ünï©ode' '-dash' 'a#b?c' '~tilde' 'back\slash' 'tab	tab' 'trail ' '...'; do
  printf '%s' "$name" > "./$name"
  cat "./$name"
  echo
done
try ls -b
for name in 'a b' 'a+b' 'a%20b' 'a&b=c' "quote'" 'ünï©ode' '-dash' 'a#b?c' '~tilde' 'back\slash' 'tab	tab' 'trail ' '...'; do
  mv -- "./$name" "./$name.moved" && rm -- "./$name.moved" || echo "cannot move or remove $name"
done
try ls -b
long=$(printf '%0255d' 0)
echo long > "$long"
try cat "$long"
try sh -c "echo x > 1$long"
rm "$long"

step 'deep'
mkdir -p 1/2/3/4/5/6/7/8/9/10
echo deep > 1/2/3/4/5/6/7/8/9/10/file
try cat 1/2/3/4/5/6/7/8/9/10/file
try mv 1/2/3 3
find 1 3 | sort
try sh -c 'cd 3/4/5 && cat ../5/6/7/8/9/10/file && pwd | tail -c 7'

step 'unlinked while it is written'
lines 50 > open
exec 4<> open
echo 'written before' >&4
rm open
echo 'written after' >&4
try test -e open
sha256sum <&4
exec 4<&-
try test -e open

step 'unlinked while it is read'
lines 50 > open
exec 4< open
rm open
sha256sum <&4
exec 4<&-

step 'replaced while open'
lines 60 > open
exec 4< open
lines 70 > open2
mv open2 open
try wc -l open
exec 4<&-

step 'written by several'
for i in 1 2 3 4 5 6 7 8; do lines 500 > "parallel.$i" & done
wait
cat parallel.* | sha256sum
rm parallel.*
(echo a; echo b; ls parallel.1) > mixed
try cat mixed
{ echo one; echo two >&2; } > both 2>&1
try cat both

step 'many'
mkdir many
for i in $(seq 1 150); do echo "$i" > "many/$i"; done
ls many | wc -l
cat many/* | sort -n | sha256sum
find many -name '*7' | sort | xargs rm
ls many | wc -l
try rm -r many
try test -e many

step 'larger than a part'
lines 500000 > large
try wc -c large
sha256sum < large
tail -c 1000 large | cksum
cp large large2
try cmp large large2
echo more >> large2
tail -c 60 large2
printf '0123456789' | dd of=large2 bs=1 seek=9000000 conv=notrunc status=none
sha256sum < large2
try truncate -s 20000000 large2
sha256sum < large2
try mv large2 large3
sha256sum < large3
rm large

step 'rename over an open and a running file'
cp script run
./run & wait
try mv run run2
try mv run2 script2
try ./script2

# How programs for 64-bit ARM run on another machine; to be sourced.

# Tests that are left out there, as an expression of ctest: which pages are resident (the emulator ignores most advice on
# memory, and its own is resident beside the program's), and how much goes through in a second.
not_emulated='Resident|ExpertPages|SparseVindex|TouchPages|ReadProbe|WanLink'

# Makes this kernel run programs for 64-bit ARM with emulator $1, in every root directory. Fails where that cannot be.
emulate_arm64() {
  handlers=/proc/sys/fs/binfmt_misc
  if [ ! -e $handlers/register ]; then
    mount -t binfmt_misc binfmt_misc $handlers 2>/dev/null || return 1
    emulation_mounted=1
  fi
  ! grep -lqs aarch64 $handlers/*aarch64* || return 0
  # An ELF file of class 64, little-endian, for machine 183. F: opened now, so that it works in every root.
  printf '%s' ':larql-aarch64:M::\x7f\x45\x4c\x46\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:'"$1:F" >$handlers/register || return 1
  emulation_registered=1
}

# Undoes what emulate_arm64 did.
forget_emulation() {
  [ -z "${emulation_registered:-}" ] || echo -1 >$handlers/larql-aarch64 || true
  [ -z "${emulation_mounted:-}" ] || umount $handlers || true
}

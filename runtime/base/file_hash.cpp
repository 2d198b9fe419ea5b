#include "runtime/base/file_hash.hpp"

#include <algorithm>
#include <vector>

namespace larql {

result<sha256_digest> hash_ranges(const file& in, std::span<const byte_range> ranges,
                                  const hash_progress& on_progress) {
  constexpr std::uint64_t step_bytes = 1 << 20;
  auto buffer = std::vector<std::byte>{};
  auto hash = sha256{};
  for (const auto& r : ranges)
    for (auto done = std::uint64_t{0}; done < r.bytes;) {
      const auto n = std::min(step_bytes, r.bytes - done);
      buffer.resize(n);
      LARQL_TRY_VOID(in.read(r.offset + done, buffer));
      hash.update(buffer);
      done += n;
      if (on_progress && !on_progress(n))
        return fail(errc::cancelled, "stopped");
    }
  return hash.finish();
}

result<sha256_digest> hash_file(const file& in, const hash_progress& on_progress) {
  const auto all = byte_range{0, in.size_bytes()};
  return hash_ranges(in, std::span{&all, 1}, on_progress);
}

sha256_digest hash_bytes(std::span<const std::byte> bytes) {
  auto hash = sha256{};
  hash.update(bytes);
  return hash.finish();
}

} // namespace larql

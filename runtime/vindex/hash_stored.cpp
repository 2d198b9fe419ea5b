#include "runtime/vindex/hash_stored.hpp"

#include "runtime/quant/quantize.hpp"

#include <algorithm>
#include <vector>

namespace larql::vindex {

result<void> hash_as_in_vindex(const stored_file& in, const encoded_range& range, sha256& to,
                               const std::function<bool(std::uint64_t)>& on_read) {
  const std::uint64_t block = quant::shape_of(range.format).bytes;
  const auto step = (std::uint64_t{1} << 20) / block * block;
  auto buffer = std::vector<std::byte>{};
  for (auto done = std::uint64_t{0}; done < range.bytes; done += buffer.size()) {
    buffer.resize(std::min(step, range.bytes - done));
    LARQL_TRY_VOID(in.read(range.offset + done, buffer));
    quant::to_vindex_encoding(range.format, buffer);
    to.update(buffer);
    if (!on_read(buffer.size()))
      return fail(errc::cancelled, "{}: stopped before its digest was finished",
                  in.path().string());
  }
  return {};
}

} // namespace larql::vindex

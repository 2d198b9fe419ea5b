#include "cli/serve/page/answer_log.hpp"

#include "runtime/base/check.hpp"

#include <algorithm>

namespace larql::serve {

void answer_log::append(std::string_view bytes) {
  LARQL_CHECK(!ended_);
  bytes_ += bytes;
  // Moving the rest costs as much as a third of what is kept, and happens once in as many bytes.
  if (bytes_.size() > most_bytes_ + most_bytes_ / 2) {
    const auto old = bytes_.size() - most_bytes_;
    bytes_.erase(0, old);
    begin_ += old;
  }
}

void answer_log::read(std::uint64_t& offset, std::size_t most, std::string& out) const {
  LARQL_CHECK(has(offset));
  const auto at = static_cast<std::size_t>(offset - begin_);
  const auto n = std::min(most, bytes_.size() - at);
  out.append(bytes_, at, n);
  offset += n;
}

} // namespace larql::serve

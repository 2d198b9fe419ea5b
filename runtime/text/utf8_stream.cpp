#include "runtime/text/utf8_stream.hpp"

namespace larql::text {

std::string utf8_stream::append(token_id token) {
  auto bytes = std::string{};
  tokens_->append_bytes(token, special_, bytes);
  auto out = std::string{};
  repair_.append(bytes, out);
  return out;
}

std::string utf8_stream::flush() {
  auto out = std::string{};
  repair_.flush(out);
  return out;
}

} // namespace larql::text

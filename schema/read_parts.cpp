#include "schema/read_parts.hpp"

namespace larql::schema {

failure bad_message(std::string_view field, std::string_view what) {
  return fail(errc::corrupt, "message: {} {}", field, what);
}

result<std::string> read_text(capnp::Text::Reader t, std::size_t limit, std::string_view field) {
  if (t.size() > limit)
    return bad_message(field, fmt::format("has {} bytes, at most {} allowed", t.size(), limit));
  return std::string{t.cStr(), t.size()};
}

result<void> check_count(std::size_t count, std::size_t limit, std::string_view field) {
  if (count > limit)
    return bad_message(field, fmt::format("are {}, at most {} allowed", count, limit));
  return {};
}

} // namespace larql::schema

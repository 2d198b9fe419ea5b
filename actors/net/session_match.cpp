#include "actors/net/session_match.hpp"

#include "runtime/base/sha256.hpp"

#include <fmt/format.h>

#include <tuple>

namespace larql::actors {

std::string session_difference(const schema::session_open& a, std::string_view where_a,
                               const schema::session_open& b, std::string_view where_b) {
  const auto differ = [&](std::string_view what, std::string_view of_a, std::string_view of_b) {
    return fmt::format("another {}: {} {}, {} {}", what, of_a, where_a, of_b, where_b);
  };
  if (a.version != b.version)
    return differ("version of sessions", std::to_string(a.version), std::to_string(b.version));
  const std::tuple<const char*, const schema::session_digest&, const schema::session_digest&>
      parts[] = {{"tokenizer or generation config", a.tokenizer, b.tokenizer},
                 {"chat template", a.chat_template, b.chat_template},
                 {"head or embeddings", a.head, b.head},
                 {"set of dense weights", a.dense, b.dense}};
  constexpr auto shown_bytes = 8u; // enough to tell two apart
  for (const auto& [what, of_a, of_b] : parts)
    if (of_a != of_b)
      return differ(what, to_hex(std::span{of_a}.first(shown_bytes)) + "…",
                    to_hex(std::span{of_b}.first(shown_bytes)) + "…");
  if (a.kv != b.kv)
    return differ("format of keys and values (--kv)",
                  a.kv == schema::session_kv::f32 ? "f32" : "f16",
                  b.kv == schema::session_kv::f32 ? "f32" : "f16");
  return {};
}

} // namespace larql::actors

#include "runtime/text/tokenizer_source.hpp"

#include "runtime/text/utf8.hpp"

namespace larql::text {

namespace {

// Sections read as ordinary JSON. The largest is added_tokens: 1 MB in Gemma 3, 5 KB in Gemma 4.
constexpr auto max_section_bytes = std::size_t{8} << 20;

} // namespace

failure tokenizer_source::malformed(std::string_view where, simdjson::error_code code) const {
  return fail(errc::corrupt, "{}: {}: not valid JSON: {}", name, where,
              simdjson::error_message(code));
}

failure tokenizer_source::unexpected(std::string_view where, std::string_view expected,
                                     simdjson::ondemand::value found,
                                     simdjson::error_code code) const {
  if (code != simdjson::INCORRECT_TYPE && code != simdjson::NUMBER_ERROR)
    return malformed(where, code);
  const auto shown = in_quotes(found.raw_json_token()); // JSON has its own quotes
  return fail(errc::corrupt, "{}: {} is {}, expected {}", name, where,
              std::string_view{shown}.substr(1, shown.size() - 2), expected);
}

result<void> read_section(const tokenizer_source& from, std::string_view where,
                          std::string_view key, simdjson::ondemand::value value, json& out) {
  const auto field = fmt::format("{}{}", where, key);
  auto raw = std::string_view{};
  if (const auto error = simdjson::to_json_string(value).get(raw))
    return from.malformed(field, error);
  if (raw.size() > max_section_bytes)
    return fail(errc::corrupt, "{}: {}: {} bytes, expected at most {}", from.name, field,
                raw.size(), max_section_bytes);
  auto& section = out[std::string{key}];
  LARQL_TRY(section, parse_json(raw, fmt::format("{}: {}", from.name, field)));
  return {};
}

} // namespace larql::text

#include "runtime/hub/stream_note.hpp"

#include "runtime/base/json.hpp"
#include "runtime/base/mapped_file.hpp"
#include "runtime/vindex/format.hpp"

namespace larql::hub {

namespace {

constexpr std::uint32_t format_version = 1;

} // namespace

result<stream_note> parse_stream_note(std::string_view text, std::string_view name) {
  LARQL_TRY(const auto parsed, parse_json(text, name));
  const auto top = json_fields{parsed, std::string{name}};
  LARQL_TRY_VOID(top.require_version(format_version));
  LARQL_TRY(const json* files, top.object("files"));
  auto out = stream_note{};
  for (const auto& [key, entry] : files->items()) {
    const auto f = json_fields{entry, fmt::format("{}: files[{}]", name, out.size())};
    auto one = taken_file{};
    LARQL_TRY(one.bytes, f.unsigned_integer("bytes", INT64_MAX));
    LARQL_TRY(one.checked, f.boolean("checked"));
    LARQL_TRY(const auto middle, f.string("middle"));
    const auto digest = digest_from_hex(middle);
    if (!digest || (!one.checked && one.bytes % sha256::block_bytes != 0))
      return fail(errc::corrupt, "{}: field \"middle\" is no state of a hash after {} bytes",
                  f.where(), one.bytes);
    one.middle = *digest;
    out.emplace(key, one);
  }
  return out;
}

std::string write_stream_note(const stream_note& note) {
  auto files = json::object();
  for (const auto& [name, f] : note)
    files[name] = {{"bytes", f.bytes}, {"middle", to_hex(f.middle)}, {"checked", f.checked}};
  const auto out = json{{"version", format_version}, {"files", std::move(files)}};
  return out.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
}

stream_note read_stream_note(const std::filesystem::path& dir) {
  const auto path = dir / stream_note_file;
  const auto text = read_text_file(path, vindex::max_json_bytes);
  auto out = text ? parse_stream_note(*text, path.string()) : result<stream_note>{stream_note{}};
  return out ? *std::move(out) : stream_note{};
}

} // namespace larql::hub

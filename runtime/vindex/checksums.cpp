#include "runtime/vindex/checksums.hpp"

#include "runtime/base/file_writer.hpp"
#include "runtime/base/json.hpp"
#include "runtime/vindex/format.hpp"

#include <algorithm>

namespace larql::vindex {

namespace {

constexpr std::uint32_t format_version = 1;
constexpr std::size_t max_files = 65536;
constexpr std::size_t max_name_bytes = 255;

// "…" in messages, however long and however strange the text is.
std::string shown(std::string_view text) {
  return json(text.substr(0, 80)).dump(-1, ' ', true, json::error_handler_t::replace);
}

result<sha256_digest> digest_of(const json& value, const std::string& where) {
  if (value.is_string())
    if (const auto digest = digest_from_hex(value.get_ref<const std::string&>()))
      return *digest;
  return fail(errc::corrupt, "{} is {}, expected 64 hexadecimal digits", where,
              value.is_string() ? shown(value.get_ref<const std::string&>()) : value.type_name());
}

result<std::map<std::string, file_checksum>> read_files(const json_fields& top) {
  LARQL_TRY(const json* files, top.object("files"));
  if (files->size() > max_files)
    return fail(errc::corrupt, "{}: field \"files\" has {} entries, expected at most {}",
                top.where(), files->size(), max_files);
  auto out = std::map<std::string, file_checksum>{};
  for (const auto& [name, entry] : files->items()) {
    if (!is_file_name(name))
      return fail(errc::corrupt, "{}: field \"files\" names {}, which is no name of a file here",
                  top.where(), shown(name));
    const auto where = fmt::format("{}: files: {}", top.where(), name);
    const auto f = json_fields{entry, where};
    auto sum = file_checksum{};
    LARQL_TRY(sum.bytes, f.unsigned_integer("bytes", INT64_MAX));
    LARQL_TRY(const auto hex, f.string("sha256"));
    LARQL_TRY(sum.sha256, digest_of(json(hex), where + ": field \"sha256\""));
    out.emplace(name, sum);
  }
  return out;
}

// As text: 32 hexadecimal digits, or as many dashes where there is no answer.
constexpr std::size_t answer_digits = 2 * sizeof(answer_digest);

std::string to_text(const std::vector<std::optional<answer_digest>>& answers) {
  auto out = std::string{};
  for (const auto& a : answers)
    out += a ? to_hex(*a) : std::string(answer_digits, '-');
  return out;
}

std::optional<std::uint8_t> digit_of(char c) {
  if (c >= '0' && c <= '9')
    return static_cast<std::uint8_t>(c - '0');
  if (c >= 'a' && c <= 'f')
    return static_cast<std::uint8_t>(c - 'a' + 10);
  return std::nullopt;
}

std::optional<answer_digest> answer_from_hex(std::string_view text) {
  auto out = answer_digest{};
  for (auto i = std::size_t{0}; i < out.size(); ++i) {
    const auto high = digit_of(text[2 * i]), low = digit_of(text[2 * i + 1]);
    if (!high || !low)
      return std::nullopt;
    out[i] = static_cast<std::byte>(*high << 4 | *low);
  }
  return out;
}

result<quant::encoding> read_encoding(const json_fields& f, const char* key) {
  LARQL_TRY(const auto name, f.string(key));
  if (const auto e = quant::encoding_from_name(name))
    return *e;
  return fail(errc::corrupt, "{}: field \"{}\" is {}, which is no encoding", f.where(), key,
              shown(name));
}

result<layer_answers> read_answers(const json& object, const std::string& where,
                                   std::size_t experts) {
  const auto f = json_fields{object, where + ": answers"};
  auto out = layer_answers{};
  LARQL_TRY(out.formats.gate, read_encoding(f, "gate_up"));
  out.formats.up = out.formats.gate;
  if (f.has("up")) {
    LARQL_TRY(out.formats.up, read_encoding(f, "up"));
  }
  LARQL_TRY(out.formats.down, read_encoding(f, "down"));
  LARQL_TRY(const auto text, f.string("digests"));
  if (text.size() != experts * answer_digits)
    return fail(errc::corrupt,
                "{}: field \"digests\" has {} characters, expected {} for {} experts", f.where(),
                text.size(), experts * answer_digits, experts);
  for (auto e = std::size_t{0}; e < experts; ++e) {
    const auto part = std::string_view{text}.substr(e * answer_digits, answer_digits);
    const auto none = part.find_first_not_of('-') == std::string_view::npos;
    out.experts.push_back(none ? std::nullopt : answer_from_hex(part));
    if (!none && !out.experts.back())
      return fail(errc::corrupt,
                  "{}: field \"digests\": expert {} is {}, expected {} hexadecimal digits",
                  f.where(), e, shown(part), answer_digits);
  }
  return out;
}

result<layer_checksum> read_layer(const json_fields& f, const std::string& where) {
  auto out = layer_checksum{};
  LARQL_TRY(const auto head, f.string("head"));
  LARQL_TRY(out.head, digest_of(json(head), where + ": field \"head\""));
  LARQL_TRY(const json* experts, f.array("experts"));
  if (experts->empty() || experts->size() > max_experts)
    return fail(errc::corrupt, "{}: field \"experts\" has {} entries, expected 1 to {}", where,
                experts->size(), max_experts);
  for (const auto& e : *experts) {
    if (e.is_null()) {
      out.experts.emplace_back();
      continue;
    }
    LARQL_TRY(const auto digest,
              digest_of(e, fmt::format("{}: experts[{}]", where, out.experts.size())));
    out.experts.emplace_back(digest);
  }
  if (f.has("answers")) {
    LARQL_TRY(const json* answers, f.object("answers"));
    LARQL_TRY(out.answers, read_answers(*answers, where, out.experts.size()));
  }
  return out;
}

result<std::map<std::uint32_t, layer_checksum>> read_layers(const json_fields& top) {
  LARQL_TRY(const json* layers, top.array("layers"));
  if (layers->size() > max_layers)
    return fail(errc::corrupt, "{}: field \"layers\" has {} entries, expected at most {}",
                top.where(), layers->size(), max_layers);
  auto out = std::map<std::uint32_t, layer_checksum>{};
  for (auto i = std::size_t{0}; i < layers->size(); ++i) {
    const auto where = fmt::format("{}: layers[{}]", top.where(), i);
    const auto f = json_fields{(*layers)[i], where};
    LARQL_TRY(const auto number, f.unsigned_integer("layer", max_layers - 1));
    LARQL_TRY(auto layer, read_layer(f, where));
    if (!out.empty() && layer.experts.size() != out.begin()->second.experts.size())
      return fail(errc::corrupt, "{}: field \"experts\" has {} entries, expected {} as in layer {}",
                  where, layer.experts.size(), out.begin()->second.experts.size(),
                  out.begin()->first);
    if (!out.emplace(static_cast<std::uint32_t>(number), std::move(layer)).second)
      return fail(errc::corrupt, "{}: field \"layer\" is {}, which occurred before", where, number);
  }
  return out;
}

} // namespace

bool is_file_name(std::string_view name) noexcept {
  if (name.empty() || name.size() > max_name_bytes)
    return false;
  for (auto rest = name;;) {
    const auto slash = rest.find('/');
    const auto part = rest.substr(0, slash);
    const auto good = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             c == '_' || c == '-' || c == '.';
    };
    if (part.empty() || part == "." || part == ".." || !std::all_of(part.begin(), part.end(), good))
      return false;
    if (slash == std::string_view::npos)
      return true;
    rest.remove_prefix(slash + 1);
  }
}

result<checksums> parse_checksums(std::string_view text, std::string_view name) {
  LARQL_TRY(const auto parsed, parse_json(text, name));
  const auto top = json_fields{parsed, std::string{name}};
  LARQL_TRY_VOID(top.require_version(format_version));
  auto out = checksums{};
  LARQL_TRY(out.files, read_files(top));
  LARQL_TRY(out.layers, read_layers(top));
  return out;
}

result<std::optional<checksums>> read_checksums(const std::filesystem::path& dir) {
  const auto path = dir / checksums_file;
  LARQL_TRY(const auto exists, path_exists(path));
  if (!exists)
    return std::optional<checksums>{};
  LARQL_TRY(const auto text, read_text_file(path, max_json_bytes));
  LARQL_TRY(auto out, parse_checksums(text, path.string()));
  return std::optional{std::move(out)};
}

std::string write_checksums(const checksums& sums) {
  auto files = json::object();
  for (const auto& [name, f] : sums.files)
    files[name] = {{"bytes", f.bytes}, {"sha256", to_hex(f.sha256)}};
  auto layers = json::array();
  for (const auto& [number, layer] : sums.layers) {
    auto experts = json::array();
    for (const auto& e : layer.experts)
      experts.push_back(e ? json(to_hex(*e)) : json());
    auto entry =
        json{{"layer", number}, {"head", to_hex(layer.head)}, {"experts", std::move(experts)}};
    if (layer.answers) {
      const auto& formats = layer.answers->formats;
      auto& answers = entry["answers"];
      answers = {{"gate_up", quant::name_of(formats.gate)},
                 {"down", quant::name_of(formats.down)},
                 {"digests", to_text(layer.answers->experts)}};
      if (formats.up != formats.gate)
        answers["up"] = quant::name_of(formats.up);
    }
    layers.push_back(std::move(entry));
  }
  const auto out = json{{"version", format_version}, {"files", files}, {"layers", layers}};
  return out.dump(1) + "\n";
}

result<void> save_checksums(const std::filesystem::path& dir, const checksums& sums) {
  return write_text_file(dir / checksums_file, write_checksums(sums));
}

std::string weights_digest(const checksums& sums) {
  if (sums.layers.empty())
    return {};
  auto hash = sha256{};
  const auto head = fmt::format("larql-weights-1 {} {}\n", sums.layers.size(),
                                sums.layers.begin()->second.experts.size());
  hash.update(std::as_bytes(std::span{head}));
  for (const auto& [number, layer] : sums.layers)
    for (const auto& e : layer.experts) {
      if (!e)
        return {};
      hash.update(*e);
    }
  return to_hex(hash.finish());
}

std::optional<sha256_digest> range_digest(const checksums& sums, const expert_block& of) {
  auto hash = sha256{};
  const auto head = fmt::format("larql-experts-1 {} {} {} {}\n", of.first_layer, of.last_layer,
                                of.first_expert, of.last_expert);
  hash.update(std::as_bytes(std::span{head}));
  for (auto l = of.first_layer; l <= of.last_layer; ++l) {
    const auto layer = sums.layers.find(l);
    if (layer == sums.layers.end() || layer->second.experts.size() <= of.last_expert)
      return std::nullopt;
    for (auto e = of.first_expert; e <= of.last_expert; ++e) {
      const auto& digest = layer->second.experts[e];
      if (!digest)
        return std::nullopt;
      hash.update(*digest);
    }
  }
  return hash.finish();
}

const sha256_digest* head_digest(const std::optional<checksums>& sums,
                                 std::uint32_t layer) noexcept {
  if (!sums)
    return nullptr;
  const auto found = sums->layers.find(layer);
  return found == sums->layers.end() ? nullptr : &found->second.head;
}

std::vector<byte_range> expert_ranges(const layer_header& h, std::uint32_t expert) {
  const auto& e = h.entries[expert];
  return {{e.gate_up_offset, h.gate_up_bytes}, {e.down_offset, h.down_bytes}};
}

} // namespace larql::vindex

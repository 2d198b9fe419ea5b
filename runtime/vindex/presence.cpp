#include "runtime/vindex/presence.hpp"

#include "runtime/base/json.hpp"
#include "runtime/base/mapped_file.hpp"
#include "runtime/vindex/format.hpp"

#include <algorithm>

namespace larql::vindex {

namespace {

constexpr std::uint32_t format_version = 1;

// A part that programs before it do not know is not in the lists but has a field of its own, which
// they ignore.
constexpr auto drafter_field = "drafter";

std::string range_text(const char* what, std::uint32_t first, std::uint32_t last) {
  return first == last ? fmt::format("{} {}", what, first)
                       : fmt::format("{}s {}-{}", what, first, last);
}

// [first, last], inclusive, below `count`.
result<void> read_range(const json_fields& f, const char* key, std::uint32_t count,
                        std::uint32_t& first, std::uint32_t& last) {
  LARQL_TRY(const json* range, f.array(key));
  const auto number = [&](std::size_t i, std::uint32_t& out) {
    if (range->size() != 2 || !(*range)[i].is_number_unsigned() ||
        (*range)[i].get<std::uint64_t>() >= count)
      return false;
    out = (*range)[i].get<std::uint32_t>();
    return true;
  };
  if (number(0, first) && number(1, last) && first <= last)
    return {};
  auto found = range->dump(-1, ' ', true, json::error_handler_t::replace);
  found.resize(std::min<std::size_t>(found.size(), 60));
  return fail(errc::corrupt, "{}: field \"{}\" is {}, expected [FIRST, LAST] within 0 to {}",
              f.where(), key, found, count - 1);
}

result<std::vector<expert_block>> read_blocks(const json_fields& top, const model_config& model) {
  LARQL_TRY(const json* list, top.array("holds"));
  if (list->size() > max_expert_blocks)
    return fail(errc::corrupt, "{}: field \"holds\" has {} entries, expected at most {}",
                top.where(), list->size(), max_expert_blocks);
  auto out = std::vector<expert_block>{};
  for (const auto& entry : *list) {
    const auto f = json_fields{entry, fmt::format("{}: holds[{}]", top.where(), out.size())};
    auto b = expert_block{};
    LARQL_TRY_VOID(read_range(f, "layers", model.layers, b.first_layer, b.last_layer));
    LARQL_TRY_VOID(read_range(f, "experts", model.experts, b.first_expert, b.last_expert));
    out.push_back(b);
  }
  return out;
}

result<std::set<part>> read_parts(const json_fields& top, const char* key) {
  LARQL_TRY(const auto text, top.string(key));
  if (text.empty())
    return std::set<part>{};
  auto parts = parse_parts(text, fmt::format("{}: field \"{}\"", top.where(), key));
  if (!parts)
    return fail(errc::corrupt, "{}", parts.error().text);
  return parts;
}

} // namespace

std::string to_string(const expert_block& b) {
  return fmt::format("{} of {}", range_text("expert", b.first_expert, b.last_expert),
                     range_text("layer", b.first_layer, b.last_layer));
}

expert_block everything(const model_config& model) noexcept {
  return {0, model.layers - 1, 0, model.experts - 1};
}

bool presence::has(std::uint32_t layer, std::uint32_t expert) const noexcept {
  return std::any_of(holds.begin(), holds.end(),
                     [&](const expert_block& b) { return b.contains(layer, expert); });
}

bool presence::has_all(const expert_block& w) const noexcept {
  for (auto l = w.first_layer; l <= w.last_layer; ++l)
    for (auto e = w.first_expert; e <= w.last_expert; ++e)
      if (!has(l, e))
        return false;
  return true;
}

bool presence::has_layer(std::uint32_t layer) const noexcept {
  return std::any_of(holds.begin(), holds.end(), [&](const expert_block& b) {
    return layer >= b.first_layer && layer <= b.last_layer;
  });
}

std::string presence::summary() const {
  auto out = std::string{};
  for (const auto& b : holds)
    out += fmt::format("{}{}", out.empty() ? "" : "; ", to_string(b));
  return out.empty() ? "no experts" : out;
}

result<presence> parse_presence(std::string_view text, std::string_view name,
                                const model_config& model) {
  LARQL_TRY(const auto parsed, parse_json(text, name));
  const auto top = json_fields{parsed, std::string{name}};
  LARQL_TRY_VOID(top.require_version(format_version));
  auto out = presence{};
  out.sliced = true;
  LARQL_TRY(out.preset, top.string("preset"));
  LARQL_TRY(out.source, top.string("source"));
  LARQL_TRY(out.parts, read_parts(top, "parts"));
  LARQL_TRY(out.left_out, read_parts(top, "left_out"));
  if (top.has(drafter_field)) {
    LARQL_TRY(const auto is_here, top.boolean(drafter_field));
    (is_here ? out.parts : out.left_out).insert(part::drafter);
  }
  LARQL_TRY(out.holds, read_blocks(top, model));
  return out;
}

result<presence> read_presence(const std::filesystem::path& dir, const model_config& model) {
  const auto path = dir / slice_file;
  LARQL_TRY(const auto exists, path_exists(path));
  if (exists) {
    LARQL_TRY(const auto text, read_text_file(path, max_json_bytes));
    return parse_presence(text, path.string(), model);
  }
  auto out = presence{};
  out.holds = {everything(model)};
  return out;
}

std::string write_presence(const presence& here) {
  auto blocks = json::array();
  for (const auto& b : here.holds)
    blocks.push_back(
        {{"layers", {b.first_layer, b.last_layer}}, {"experts", {b.first_expert, b.last_expert}}});
  const auto known_before = [](std::set<part> parts) {
    parts.erase(part::drafter);
    return to_string(parts);
  };
  auto out = json{{"version", format_version},
                  {"preset", here.preset},
                  {"source", here.source},
                  {"parts", known_before(here.parts)},
                  {"left_out", known_before(here.left_out)},
                  {"holds", std::move(blocks)}};
  if (here.parts.contains(part::drafter) || here.left_out.contains(part::drafter))
    out[drafter_field] = here.parts.contains(part::drafter);
  return out.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
}

result<void> require_experts(const std::filesystem::path& dir, const presence& here,
                             const expert_block& wanted) {
  if (here.has_all(wanted))
    return {};
  if (here.holds.empty())
    return fail(errc::mismatch,
                "{}: this slice holds no experts; name nodes that have them (--moe-shards or "
                "--topology), or use the whole vindex",
                dir.string());
  const auto range = fmt::format("--experts {}-{} --layers {}-{}", wanted.first_expert,
                                 wanted.last_expert, wanted.first_layer, wanted.last_layer);
  const auto how =
      here.source.starts_with("hf://")
          ? fmt::format("fetch them with `larql pull {} -o {} {}`",
                        here.source.substr(0, here.source.find(' ')), dir.string(), range)
          : fmt::format("cut them from {} with `larql slice SOURCE -o DIR --preset moe-experts {}`",
                        here.source.empty() ? "the whole vindex" : here.source, range);
  return fail(errc::mismatch, "{}: {} are asked for, but this slice holds {}; {}", dir.string(),
              to_string(wanted), here.summary(), how);
}

result<void> require_dense(const std::filesystem::path& dir, const presence& here) {
  auto missing = std::set<part>{};
  for (const auto p :
       {part::embed, part::norms, part::attn, part::ffn, part::lm_head, part::manifest})
    if (here.left_out.contains(p))
      missing.insert(p);
  if (missing.empty())
    return {};
  return fail(errc::mismatch,
              "{}: this slice has no {}, which running the model needs; use the whole vindex or a "
              "slice of preset moe-client",
              dir.string(), to_string(missing));
}

} // namespace larql::vindex

#include "cli/laptop/inspect_report.hpp"

#include "runtime/base/format_bytes.hpp"
#include "runtime/base/json.hpp"
#include "runtime/base/one_line.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace larql::cli {

namespace {

std::string_view name_of(vindex::quant_kind kind) {
  return kind == vindex::quant_kind::q4k ? "q4k" : "lossless";
}

std::size_t sliding_layers(const vindex::model_config& c) {
  return static_cast<std::size_t>(std::count(c.sliding.begin(), c.sliding.end(), true));
}

// ---- text ---------------------------------------------------------------------------------------

std::string text_of_model(const vindex::model_config& c) {
  const auto sliding = sliding_layers(c);
  auto out = fmt::format("model       {} ({}, {})\n", one_line(c.model), one_line(c.family),
                         name_of(c.quant));
  out += fmt::format("shape       {} layers ({} sliding with window {}, {} full), hidden {}, dense "
                     "width {}, vocabulary {}\n",
                     c.layers, sliding, c.window, c.layers - sliding, c.hidden, c.dense_width,
                     c.vocab);
  out += fmt::format(
      "attention   {} heads; sliding: {} KV heads of {}; full: {} KV heads of {}{}\n", c.q_heads,
      c.kv_heads, c.head_dim, c.global_kv_heads, c.global_head_dim, c.k_eq_v ? ", V is K" : "");
  out += fmt::format("experts     {} per layer, {} per token, width {}\n", c.experts, c.top_k,
                     c.expert_width);
  if (c.trained_context != 0)
    out += fmt::format("context     {} tokens\n", c.trained_context);
  return out;
}

std::string text_of_origin(const inspection& i) {
  auto out = std::string{};
  for (const auto& p : i.places)
    out += fmt::format("lies in     {} ({})\n", one_line(p.path), format_bytes(p.bytes));
  if (i.repository) {
    auto bytes = std::uint64_t{0};
    for (const auto& f : i.repository->files)
      bytes += f.bytes;
    out += fmt::format("repository  hf://{}@{} ({}): {} files, {}\n", one_line(i.repository->repo),
                       one_line(i.repository->revision), i.repository->commit.substr(0, 12),
                       i.repository->files.size(), format_bytes(bytes));
  }
  const auto& here = i.here;
  if (here.sliced)
    out += fmt::format("slice       {}{}{}: {}\n",
                       here.preset.empty() ? to_string(here.parts) : one_line(here.preset),
                       here.source.empty() ? "" : " of ", one_line(here.source), here.summary());
  out += fmt::format("checksums   {}\n", !i.digest           ? "absent"
                                         : i.digest->empty() ? "of the files only"
                                                             : "experts " + *i.digest);
  return out;
}

std::string text_of_part(const inspected_part& p) {
  if (p.file.empty())
    return fmt::format("{} {}\n", p.name, p.note);
  if (!p.bytes)
    return fmt::format("{:<11} {:>9}  {}\n", p.name, "absent", p.file);
  auto detail = std::string{};
  for (const auto& [encoding, n] : p.encodings)
    detail += fmt::format("{}{} {}", detail.empty() ? "  " : ", ", encoding, n);
  return fmt::format("{:<11} {:>9}  {}{}\n", p.name, format_bytes(*p.bytes), p.file, detail);
}

std::string text_of_bank(const inspection& i) {
  const auto& b = i.bank;
  if (b.layers.empty())
    return fmt::format("expert bank {:>9}\n", "absent");
  const auto all = i.model.experts;
  const auto held = b.least_held == all ? fmt::format("{}", all)
                    : b.least_held == b.most_held
                        ? fmt::format("{} of {}", b.most_held, all)
                        : fmt::format("{} to {} of {}", b.least_held, b.most_held, all);
  auto out = fmt::format("expert bank {:>9}  {} of {} layers, {} experts of {}{} each\n",
                         format_bytes(b.bytes), b.layers.size(), i.model.layers, held,
                         b.least_bytes == b.most_bytes ? "" : format_bytes(b.least_bytes) + " to ",
                         format_bytes(b.most_bytes));
  for (const auto& [format, n] : b.formats)
    out += fmt::format("{:<22} {} layers: {}\n", "", n, format);
  for (const auto l : b.missing)
    out += fmt::format("{:<22} layer {} is missing\n", "", l);
  return out;
}

// ---- JSON ---------------------------------------------------------------------------------------

json to_json(const std::vector<inspected_part>& parts) {
  auto out = json::array();
  for (const auto& p : parts) {
    auto j = json{{"part", p.name}, {"bytes", p.bytes ? json(*p.bytes) : json()}};
    if (!p.file.empty())
      j["file"] = p.file;
    if (!p.encodings.empty())
      j["encodings"] = p.encodings;
    if (!p.note.empty())
      j["note"] = p.note;
    out.push_back(std::move(j));
  }
  return out;
}

json to_json(const vindex::model_config& c) {
  return {{"name", c.model},
          {"family", c.family},
          {"quant", name_of(c.quant)},
          {"layers", c.layers},
          {"sliding_layers", sliding_layers(c)},
          {"window", c.window},
          {"hidden", c.hidden},
          {"dense_width", c.dense_width},
          {"vocabulary", c.vocab},
          {"heads", c.q_heads},
          {"experts", c.experts},
          {"experts_per_token", c.top_k},
          {"expert_width", c.expert_width},
          {"trained_context", c.trained_context}};
}

json to_json(const inspected_bank& b) {
  return {{"bytes", b.bytes},
          {"layers", b.layers},
          {"missing_layers", b.missing},
          {"experts_held", {{"least", b.least_held}, {"most", b.most_held}}},
          {"expert_bytes", {{"least", b.least_bytes}, {"most", b.most_bytes}}},
          {"formats", b.formats}};
}

} // namespace

std::string text_of(const inspection& i) {
  auto out = text_of_model(i.model) + text_of_origin(i);
  for (const auto& p : i.parts)
    out += text_of_part(p);
  out += text_of_bank(i);
  for (const auto& p : i.texts)
    out += text_of_part(p);
  return out;
}

std::string json_of(const inspection& i) {
  auto out = json{{"model", to_json(i.model)},
                  {"parts", to_json(i.parts)},
                  {"expert_bank", to_json(i.bank)},
                  {"texts", to_json(i.texts)}};
  for (const auto& p : i.places)
    out["places"].push_back({{"path", p.path}, {"bytes", p.bytes}});
  if (i.digest)
    out["checksums"] = {{"experts", i.digest->empty() ? json() : json(*i.digest)}};
  if (i.repository)
    out["repository"] = {{"name", i.repository->repo},
                         {"revision", i.repository->revision},
                         {"commit", i.repository->commit}};
  if (i.here.sliced)
    out["slice"] = {{"preset", i.here.preset},
                    {"source", i.here.source},
                    {"parts", to_string(i.here.parts)},
                    {"holds", i.here.summary()}};
  // In ASCII: a name in it may hold what a terminal must not get.
  return out.dump(2, ' ', true, json::error_handler_t::replace) + "\n";
}

} // namespace larql::cli

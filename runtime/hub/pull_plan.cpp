#include "runtime/hub/pull_plan.hpp"

#include "runtime/hub/repo.hpp"
#include "runtime/vindex/format.hpp"

#include <algorithm>

namespace larql::hub {

namespace {

// Of one layer: the experts that are wanted.
std::vector<bool> experts_of(std::uint32_t layer, const selection& s,
                             const vindex::model_config& model) {
  auto out = std::vector<bool>(model.experts);
  for (const auto& b : s.blocks)
    if (layer >= b.first_layer && layer <= b.last_layer)
      std::fill(out.begin() + b.first_expert, out.begin() + b.last_expert + 1, true);
  return out;
}

bool any(const std::vector<bool>& v) {
  return std::find(v.begin(), v.end(), true) != v.end();
}
bool all(const std::vector<bool>& v) {
  return std::find(v.begin(), v.end(), false) == v.end();
}

interval_set whole(const remote_file& f) {
  return interval_set{interval{0, f.bytes}};
}

// As large as the head of any version is: what is fetched before the version is known.
interval head_of(const remote_file& f, const vindex::model_config& model) {
  return {0, std::min(f.bytes, vindex::layer_table_bytes(vindex::layer_version_3, model.experts))};
}

bool is_meta(std::string_view path) {
  return path == vindex::checksums_file || path == vindex::slice_file;
}

result<const remote_file*> layer_file(const snapshot& s, std::uint32_t layer) {
  const auto name = vindex::layer_file_name(layer);
  if (const auto* f = s.find(name))
    return f;
  return fail(errc::not_found, "{}: has no {}", s.name, name);
}

// The bytes of some experts, and the head.
interval_set bytes_of(const vindex::layer_header& h, const std::vector<bool>& wanted) {
  auto out = interval_set{interval{0, h.table_bytes}};
  for (auto e = 0u; e < wanted.size(); ++e)
    if (wanted[e])
      for (const auto& r : vindex::expert_ranges(h, e))
        out.add({r.offset, r.offset + r.bytes});
  return out;
}

// Files that a part consists of in any case; of those with several names one must be there.
struct needed_file {
  vindex::part of;
  std::vector<std::string_view> names;
};
const std::vector<needed_file>& needed_files() {
  using enum vindex::part;
  static const auto all = std::vector<needed_file>{
      {norms, {vindex::norms_file}},
      {manifest, {vindex::weight_manifest_file}},
      {embed, {vindex::embeddings_file, vindex::embeddings_any_file}},
      {attn, {vindex::attention_file}},
      {attn, {vindex::attention_manifest_file}},
      {ffn, {vindex::dense_file}},
      {ffn, {vindex::dense_manifest_file}},
  };
  return all;
}

bool is_wanted(std::string_view path, const selection& wanted) {
  const auto part = vindex::part_of(path);
  return part ? wanted.parts.contains(*part) : wanted.everything && !is_meta(path);
}

// A hash that nothing has.
content_check never_right(interval bytes, std::string what) {
  return {interval_set{bytes}, {{bytes.begin, bytes.bytes()}}, "-", "", std::move(what)};
}

} // namespace

const remote_file* snapshot::find(std::string_view path) const {
  const auto it =
      std::find_if(files.begin(), files.end(), [&](const auto& f) { return f.path == path; });
  return it == files.end() ? nullptr : &*it;
}

result<selection> select(const pull_request& r, const vindex::model_config& model) {
  auto out = selection{};
  if (r.parts) {
    out.parts = *r.parts;
  } else {
    LARQL_TRY(const auto* preset, vindex::find_preset(r.preset));
    out.preset = preset->name;
    out.parts = preset->parts;
    out.everything = preset->name == "all";
  }
  out.parts.insert(vindex::part::index);
  out.heads = r.heads;
  out.to_run = r.to_run;
  if (r.heads)
    out.parts.erase(vindex::part::expert_layers);
  const auto block = vindex::everything(model);
  const auto l = r.layers.value_or(experts::index_range{0, block.last_layer});
  const auto e = r.experts.value_or(experts::index_range{0, block.last_expert});
  if (l.last > block.last_layer)
    return fail(errc::usage, "layers {}: the model has layers 0-{}", to_string(l),
                block.last_layer);
  if (e.last > block.last_expert)
    return fail(errc::usage, "experts {}: the model has experts 0-{}", to_string(e),
                block.last_expert);
  if (out.parts.contains(vindex::part::expert_layers))
    out.blocks = {{l.first, l.last, e.first, e.last}};
  else if (r.experts || r.layers)
    return fail(errc::usage, "{}: has no experts, so --experts and --layers mean nothing",
                r.parts ? to_string(out.parts) : "preset " + out.preset);
  return out;
}

void add(selection& to, const vindex::presence& held) {
  if (!held.sliced) { // all of it
    const auto* preset = *vindex::find_preset("all");
    to.parts.insert(preset->parts.begin(), preset->parts.end());
    to.everything = true;
    to.preset = preset->name;
    to.blocks = held.holds;
    return;
  }
  if (to.preset != held.preset)
    to.preset.clear();
  to.parts.insert(held.parts.begin(), held.parts.end());
  for (const auto& b : held.holds)
    if (std::find(to.blocks.begin(), to.blocks.end(), b) == to.blocks.end())
      to.blocks.push_back(b);
}

result<void> check_listing(const snapshot& s, const selection& wanted,
                           const vindex::checksums* sums) {
  if (!wanted.everything || wanted.to_run)
    for (const auto& f : needed_files())
      if (wanted.parts.contains(f.of) &&
          std::none_of(f.names.begin(), f.names.end(),
                       [&](std::string_view name) { return s.find(name) != nullptr; }))
        return fail(errc::mismatch, "{}: has no {}, so it lacks the part {}, which {} needs",
                    s.name, f.names[0], to_string(f.of),
                    wanted.preset.empty() ? "what is asked for" : "preset " + wanted.preset);
  if (sums == nullptr)
    return {};
  for (const auto& [name, sum] : sums->files) {
    if (!is_wanted(name, wanted) || may_be_edited(name))
      continue;
    const auto* f = s.find(name);
    if (f == nullptr)
      return fail(errc::corrupt, "{}: has no {}, but its {} has the SHA-256 of it", s.name, name,
                  vindex::checksums_file);
    if (f->bytes != sum.bytes)
      return fail(errc::corrupt, "{}: {} has {} bytes in the listing, {} in {}", s.name, name,
                  f->bytes, sum.bytes, vindex::checksums_file);
    if (!f->sha256.empty() && f->sha256 != to_hex(sum.sha256))
      return disagreement(s, name, "the listing's", f->sha256, to_hex(sum.sha256));
  }
  return {};
}

bool may_be_edited(std::string_view path) {
  return vindex::part_of(path) == vindex::part::readme;
}

failure disagreement(const snapshot& s, std::string_view path, std::string_view whose,
                     std::string_view one, std::string_view of_checksums) {
  return fail(errc::corrupt, "{}: {}: {} SHA-256 is {}, in {} it is {}: published damaged", s.name,
              path, whose, one, vindex::checksums_file, of_checksums);
}

result<std::vector<planned_file>> plan_meta(const snapshot& s) {
  auto out = std::vector<planned_file>{};
  const auto* index = s.find(vindex::index_file);
  if (index == nullptr) {
    const auto holds = [&](std::string_view ending) {
      return std::any_of(s.files.begin(), s.files.end(),
                         [&](const auto& f) { return f.path.ends_with(ending); });
    };
    return fail(
        errc::not_found, "{}: is no vindex: it has no {}{}", s.name, vindex::index_file,
        holds(".gguf")
            ? "; it holds GGUF files: `larql pull` and `larql run` take them by the name of their "
              "encoding, as in hf://OWNER/NAME:Q4_K_M"
        : holds(".safetensors") ? "; it is a checkpoint, of which `larql run` makes a "
                                  "vindex in the cache"
                                : "");
  }
  out.push_back({*index, whole(*index), false});
  for (const auto name : {vindex::checksums_file, vindex::slice_file})
    if (const auto* f = s.find(name))
      out.push_back({*f, whole(*f), true});
  for (const auto& f : out)
    if (f.remote.bytes > vindex::max_json_bytes)
      return fail(errc::corrupt, "{}: {} has {} bytes, expected at most {}", s.name, f.remote.path,
                  f.remote.bytes, vindex::max_json_bytes);
  return out;
}

result<std::vector<planned_file>> plan_heads(const snapshot& s, const selection& wanted,
                                             const vindex::model_config& model) {
  auto out = std::vector<planned_file>{};
  for (auto l = 0u; l < model.layers; ++l) {
    const auto owned = experts_of(l, wanted, model);
    if (all(owned) || (!any(owned) && !wanted.heads))
      continue;
    LARQL_TRY(const auto* f, layer_file(s, l));
    out.push_back({*f, interval_set{head_of(*f, model)}, false});
  }
  return out;
}

result<std::vector<planned_file>> plan_all(const snapshot& s, const selection& wanted,
                                           const vindex::model_config& model,
                                           const layer_headers& headers) {
  auto out = std::vector<planned_file>{};
  for (const auto& f : s.files) {
    if (layer_of(f.path, model) || f.path.starts_with('.') || is_meta(f.path))
      continue;
    const auto part = vindex::part_of(f.path);
    if (part ? wanted.parts.contains(*part) : wanted.everything)
      out.push_back({f, whole(f), false});
  }
  for (auto l = 0u; l < model.layers; ++l) {
    const auto owned = experts_of(l, wanted, model);
    if (!any(owned) && !wanted.heads)
      continue;
    LARQL_TRY(const auto* f, layer_file(s, l));
    if (all(owned)) {
      out.push_back({*f, whole(*f), false});
      continue;
    }
    const auto header = headers.find(l);
    LARQL_CHECK(header != headers.end());
    out.push_back({*f, bytes_of(header->second, owned), false});
  }
  return out;
}

std::optional<std::uint32_t> layer_of(std::string_view path, const vindex::model_config& model) {
  for (auto l = 0u; l < model.layers; ++l)
    if (path == vindex::layer_file_name(l))
      return l;
  return std::nullopt;
}

result<std::vector<content_check>> checks_of(const planned_file& f, const file& in,
                                             const vindex::model_config* model,
                                             const vindex::checksums* sums) {
  auto out = std::vector<content_check>{};
  const auto layer = model != nullptr ? layer_of(f.remote.path, *model) : std::nullopt;
  auto covered = interval_set{};
  if (layer && f.remote.bytes != 0) {
    const auto header = vindex::read_layer_header(in, *model);
    if (!header)
      return std::vector{never_right(head_of(f.remote, *model), header.error().text)};
    if (sums != nullptr && sums->layers.contains(*layer)) {
      const auto& digests = sums->layers.at(*layer);
      const auto add = [&](std::vector<byte_range> ranges, const sha256_digest& digest,
                           std::string what) {
        auto c = content_check{{}, std::move(ranges), to_hex(digest), "", std::move(what)};
        for (const auto& r : c.ranges)
          c.bytes.add({r.offset, r.offset + r.bytes});
        if (!f.wanted.contains(c.bytes))
          return;
        covered.add(c.bytes);
        out.push_back(std::move(c));
      };
      add({{0, header->table_bytes}}, digests.head, "header");
      for (auto e = 0u; e < header->entries.size() && e < digests.experts.size(); ++e)
        if (digests.experts[e])
          add(vindex::expert_ranges(*header, e), *digests.experts[e], fmt::format("expert {}", e));
    }
  }
  if (f.is_whole() && covered.bytes() != f.remote.bytes)
    out.push_back({whole(f.remote), {}, f.remote.sha256, f.remote.git_blob, ""});
  return out;
}

} // namespace larql::hub

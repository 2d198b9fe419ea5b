#include "runtime/vindex/vectors.hpp"

#include "runtime/vindex/format.hpp"

#include <cmath>

namespace larql::vindex {

result<vector_table> vector_table::open(const storage& files) {
  const auto manifest = files.dir() / weight_manifest_file;
  LARQL_TRY(const auto in, files.open_file(norms_file));
  LARQL_TRY(auto all, in.find(0, in.size_bytes()));
  const auto wanted = wanted_part{std::move(all), 0};
  LARQL_TRY(auto map,
            mapped_parts::map({&wanted, 1}, access_pattern::sequential, page_kind::normal));
  LARQL_TRY(auto entries, read_vector_manifest(manifest, in.size_bytes()));
  return vector_table{manifest.string(), std::move(map), std::move(entries)};
}

result<std::span<const float>> vector_table::get(const std::string& key,
                                                 std::uint64_t count) const {
  const auto it = entries_.find(key);
  if (it == entries_.end())
    return fail(errc::corrupt, "{}: tensor \"{}\" is missing", where_, key);
  if (it->second.count != count)
    return fail(errc::mismatch, "{}: {} has {} floats, expected {} as index.json says", where_, key,
                it->second.count, count);
  // Mappings are page-aligned and offsets multiples of 4, so the floats are aligned.
  const auto* p = reinterpret_cast<const float*>(map_.part(0).data() + it->second.offset);
  return std::span{p, static_cast<std::size_t>(count)};
}

result<expert_scales> read_expert_scales(const vector_table& vectors, const model_config& model,
                                         std::uint32_t layer) {
  auto out = expert_scales{};
  for (const auto& [name, to] : {std::pair{"gate", &out.gate}, std::pair{"up", &out.up}}) {
    const auto key = fmt::format("layers.{}.experts.{}_proj.scale", layer, name);
    if (!vectors.has(key))
      continue;
    LARQL_TRY(const auto values, vectors.get(key, model.experts));
    to->assign(values.begin(), values.end());
    for (auto e = std::size_t{0}; e < to->size(); ++e)
      if (!std::isfinite((*to)[e]))
        return fail(errc::corrupt, "{}: {}: element {} is {}, expected a finite number", norms_file,
                    key, e, (*to)[e]);
  }
  return out;
}

} // namespace larql::vindex

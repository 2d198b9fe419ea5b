#include "runtime/experts/digest_table.hpp"

#include "runtime/vindex/checksums_lock.hpp"
#include "runtime/vindex/format.hpp"
#include "runtime/vindex/hash_stored.hpp"
#include "runtime/vindex/storage.hpp"

#include <algorithm>

namespace larql::experts {

namespace {

namespace fs = std::filesystem;

// What an expert's digest covers, as it would stand in a layer file of a vindex.
result<sha256_digest> digest_of(const vindex::stored_file& in, const vindex::layer_header& h,
                                std::uint32_t expert,
                                const std::function<bool(std::uint64_t)>& on_read) {
  const auto& e = h.entries[expert];
  const vindex::encoded_range parts[] = {
      {e.gate_up_offset, h.gate_bytes, h.formats.gate},
      {e.gate_up_offset + h.gate_bytes, h.gate_up_bytes - h.gate_bytes, h.formats.up},
      {e.down_offset, h.down_bytes, h.formats.down}};
  auto hash = sha256{};
  for (const auto& part : parts)
    LARQL_TRY_VOID(vindex::hash_as_in_vindex(in, part, hash, on_read));
  return hash.finish();
}

using expert_digests = std::vector<std::pair<std::uint32_t, sha256_digest>>;

result<void> save(const fs::path& dir, std::uint32_t layer, const expert_digests& found) {
  LARQL_TRY(const auto lock, vindex::checksums_lock::take(dir));
  LARQL_TRY(auto sums, vindex::read_checksums(dir));
  if (!sums || !sums->layers.contains(layer))
    return fail(errc::mismatch, "{}: {} was taken away or changed", dir.string(),
                vindex::checksums_file);
  auto& experts = sums->layers.at(layer).experts;
  for (const auto& [e, digest] : found)
    if (e < experts.size())
      experts[e] = digest;
  return vindex::save_checksums(dir, *sums);
}

class table_filler {
public:
  table_filler(const fs::path& dir, const vindex::model_config& model,
               const vindex::expert_block& of, const digests_progress& on_progress)
      : dir_(dir), model_(model), of_(of), on_progress_(on_progress) {}

  result<vindex::checksums> run() {
    LARQL_TRY(auto sums, vindex::read_checksums(dir_));
    if (!sums)
      return vindex::checksums{};
    LARQL_TRY(const auto files, vindex::storage::open(dir_));
    for (auto l = of_.first_layer; l <= of_.last_layer; ++l)
      if (const auto wanted = missing(*sums, l); !wanted.empty()) {
        LARQL_TRY(const auto in, files.open_file(vindex::layer_file_name(l)));
        LARQL_TRY(const auto header, vindex::read_layer_header(in, model_));
        total_ += wanted.size() * header.expert_bytes();
      }
    for (auto l = of_.first_layer; l <= of_.last_layer && total_ != 0; ++l)
      LARQL_TRY_VOID(fill(files, *sums, l));
    if (total_ != 0) {
      LARQL_TRY(sums, vindex::read_checksums(dir_));
    }
    return sums ? *std::move(sums) : vindex::checksums{};
  }

private:
  [[nodiscard]] std::vector<std::uint32_t> missing(const vindex::checksums& sums,
                                                   std::uint32_t layer) const {
    auto out = std::vector<std::uint32_t>{};
    const auto it = sums.layers.find(layer);
    if (it == sums.layers.end() || it->second.experts.size() != model_.experts)
      return out;
    for (auto e = of_.first_expert; e <= of_.last_expert; ++e)
      if (!it->second.experts[e])
        out.push_back(e);
    return out;
  }

  result<void> fill(const vindex::storage& files, const vindex::checksums& sums,
                    std::uint32_t layer) {
    const auto wanted = missing(sums, layer);
    if (wanted.empty())
      return {};
    LARQL_TRY(const auto in, files.open_file(vindex::layer_file_name(layer)));
    LARQL_TRY(const auto header, vindex::read_layer_header(in, model_));
    auto found = expert_digests{};
    auto ended = result<void>{};
    for (const auto e : wanted) {
      auto digest = digest_of(in, header, e, [&](std::uint64_t bytes) {
        done_ += bytes;
        return !on_progress_ || on_progress_(done_, total_);
      });
      if (!digest) {
        ended = std::move(digest).error();
        break;
      }
      found.emplace_back(e, *digest);
    }
    if (!found.empty())
      LARQL_TRY_VOID(save(dir_, layer, found));
    return ended;
  }

  const fs::path& dir_;
  const vindex::model_config& model_;
  const vindex::expert_block& of_;
  const digests_progress& on_progress_;
  std::uint64_t done_ = 0, total_ = 0;
};

} // namespace

result<vindex::checksums> add_digests(const fs::path& dir, const vindex::model_config& model,
                                      const vindex::expert_block& of,
                                      const digests_progress& on_progress) {
  return table_filler{dir, model, of, on_progress}.run();
}

} // namespace larql::experts

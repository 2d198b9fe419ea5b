#include "runtime/vindex/package/verify.hpp"

#include "runtime/base/json.hpp"
#include "runtime/base/mapped_file.hpp"
#include "runtime/vindex/checksums.hpp"
#include "runtime/vindex/directory.hpp"
#include "runtime/vindex/drafter.hpp"
#include "runtime/vindex/format.hpp"
#include "runtime/vindex/manifest.hpp"
#include "runtime/vindex/package/hash_jobs.hpp"
#include "runtime/vindex/presence.hpp"
#include "runtime/vindex/vindex.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace larql::vindex {

namespace {

namespace fs = std::filesystem;

class verifier {
public:
  verifier(const fs::path& dir, compute_pool& pool, const verify_options& options)
      : dir_(dir), pool_(pool), options_(options) {}

  result<verify_report> run() {
    LARQL_TRY(const auto listed, list_files(dir_));
    for (const auto& f : listed)
      sizes_.emplace(f.name, f.bytes);
    out_.files = sizes_.size();
    const auto model = read_index(dir_);
    if (!model) { // nothing else has a meaning without it
      wrong(model.error().text);
      return std::move(out_);
    }
    model_ = *model;
    read_descriptions();
    check_sizes();
    check_layers();
    if (bad_files_.empty()) { // what is cut short has been said
      check_dense();
      check_drafter();
    }
    find_checked_by_experts();
    find_unchecked();
    if (options_.deep)
      LARQL_TRY_VOID(check_digests());
    return std::move(out_);
  }

private:
  void wrong(std::string text) { out_.wrong.push_back(std::move(text)); }

  template <class... Args>
  void wrong(const std::string& name, fmt::format_string<Args...> format, Args&&... args) {
    bad_files_.insert(name);
    wrong(fmt::format("{}: {}", (dir_ / name).string(),
                      fmt::format(format, std::forward<Args>(args)...)));
  }
  void unchecked(const std::string& name, std::string_view why) {
    out_.unchecked.push_back(fmt::format("{}: {}", (dir_ / name).string(), why));
  }

  void read_descriptions() {
    here_.holds = {everything(model_)};
    if (auto here = read_presence(dir_, model_))
      here_ = std::move(*here);
    else
      wrong(here.error().text);
    if (auto sums = read_checksums(dir_); !sums) {
      wrong(sums.error().text);
    } else if (*sums) {
      sums_ = std::move(**sums);
      has_checksums_ = true;
    }
    for (const auto& [number, layer] : sums_.layers)
      if (layer.experts.size() != model_.experts || number >= model_.layers) {
        wrong(std::string{checksums_file}, "layer {} has {} experts, expected {} in layers 0-{}",
              number, layer.experts.size(), model_.experts, model_.layers - 1);
        sums_.layers.clear();
        break;
      }
    if (!has_checksums_)
      read_reference_checksums();
  }

  // The reference lists a few files in index.json, without sizes.
  void read_reference_checksums() {
    const auto index = parse_json_file(dir_ / index_file, max_json_bytes);
    if (!index || !index->is_object() || !index->contains("checksums"))
      return;
    const auto& list = (*index)["checksums"];
    if (!list.is_object())
      return;
    for (const auto& [name, value] : list.items()) {
      const auto digest = value.is_string()
                              ? digest_from_hex(value.template get_ref<const std::string&>())
                              : std::nullopt;
      if (!digest || !is_file_name(name))
        wrong(std::string{index_file}, "checksums: an entry is not a file's name with 64 digits");
      else if (const auto found = sizes_.find(name); found != sizes_.end())
        sums_.files[name] = {found->second, *digest};
      else
        wrong(name, "is missing, but index.json has its checksum");
    }
  }

  void check_sizes() {
    for (const auto& [name, sum] : sums_.files) {
      const auto found = sizes_.find(name);
      if (found == sizes_.end())
        wrong(name, "is missing, expected a file of {} bytes", sum.bytes);
      else if (found->second != sum.bytes)
        wrong(name, "has {} bytes, expected {}", found->second, sum.bytes);
    }
  }

  void check_layers() {
    for (auto l = 0u; l < model_.layers; ++l) {
      const auto name = layer_file_name(l);
      // A node that offers memory has heads before it has experts.
      if ((!here_.has_layer(l) && !sizes_.contains(name)) || bad_files_.contains(name))
        continue;
      const auto header = read_header(l);
      if (!header) {
        bad_files_.insert(name);
        wrong(header.error().text);
      } else {
        headers_.emplace(l, *header);
      }
    }
  }

  [[nodiscard]] result<layer_header> read_header(std::uint32_t layer) const {
    LARQL_TRY(const auto in, file::open(dir_ / layer_file_name(layer)));
    const auto sum = sums_.layers.find(layer);
    return read_layer_header(in, model_, sum == sums_.layers.end() ? nullptr : &sum->second.head);
  }

  // A vindex that can run is opened as for running; of another one, what is there is read.
  void check_dense() {
    if (require_dense(dir_, here_)) {
      if (const auto all = dense_weights::open(dir_, model_); !all)
        wrong(all.error().text);
      return;
    }
    const auto matrices = [&](std::string_view data, std::string_view manifest) {
      const auto found = sizes_.find(std::string{data});
      if (found == sizes_.end())
        return;
      if (const auto ok = read_matrix_manifest(dir_ / manifest, found->second); !ok)
        wrong(ok.error().text);
    };
    matrices(attention_file, attention_manifest_file);
    matrices(dense_file, dense_manifest_file);
    if (const auto norms = sizes_.find(std::string{norms_file});
        norms != sizes_.end() && sizes_.contains(std::string{weight_manifest_file}))
      if (const auto ok = read_vector_manifest(dir_ / weight_manifest_file, norms->second); !ok)
        wrong(ok.error().text);
  }

  void check_drafter() {
    const auto found = read_drafter(dir_, model_);
    if (!found)
      wrong(found.error().text);
    else if (*found)
      if (const auto all = drafter_weights::open(dir_, **found); !all)
        wrong(all.error().text);
  }

  void find_unchecked() {
    for (const auto& [name, bytes] : sizes_)
      if (name != checksums_file && !sums_.files.contains(name) && !by_experts_.contains(name))
        unchecked(name, has_checksums_ ? "is not in checksums.json"
                                       : "there is no checksum to compare it with");
  }

  // Layer files whose held experts all have digests of their own. A file that was pulled in part
  // has no other: of the whole there is a digest, but not of this one with its holes.
  void find_checked_by_experts() {
    for (const auto& [l, header] : headers_) {
      const auto sum = sums_.layers.find(l);
      if (sum == sums_.layers.end())
        continue;
      auto all = true;
      for (auto e = 0u; e < model_.experts; ++e)
        all = all && (!here_.has(l, e) || sum->second.experts[e]);
      if (all)
        by_experts_.insert(layer_file_name(l));
    }
  }

  // ---- every byte -------------------------------------------------------------------------------

  struct expectation {
    std::string name;
    std::string what; ///< empty: the file
    sha256_digest digest;
  };

  void add(const std::string& name, std::string what, std::vector<byte_range> ranges,
           const sha256_digest& digest) {
    for (const auto& r : ranges)
      total_ += r.bytes;
    if (ranges.empty())
      total_ += sizes_.at(name);
    jobs_.push_back({dir_ / name, std::move(ranges)});
    expected_.push_back({name, std::move(what), digest});
  }

  // Experts have digests of their own, so that holes are no reason to skip a file and the threads
  // get equal shares.
  void add_layer_jobs(std::uint32_t l, const layer_header& header) {
    const auto name = layer_file_name(l);
    const auto& sum = sums_.layers.at(l);
    add(name, "header", {{0, header.table_bytes}}, sum.head);
    for (auto e = 0u; e < model_.experts; ++e)
      if (here_.has(l, e))
        add(name, fmt::format("expert {}", e), expert_ranges(header, e), *sum.experts[e]);
  }

  result<void> check_digests() {
    for (const auto& [name, sum] : sums_.files)
      if (!bad_files_.contains(name) && sizes_.contains(name) && !by_experts_.contains(name))
        add(name, "", {}, sum.sha256);
    for (const auto& [l, header] : headers_)
      if (by_experts_.contains(layer_file_name(l)))
        add_layer_jobs(l, header);
    const auto found = hash_all(jobs_, pool_, [&](std::uint64_t bytes, const fs::path& path) {
      out_.hashed_bytes += bytes;
      return !options_.on_progress ||
             options_.on_progress(out_.hashed_bytes, total_, path.filename().string());
    });
    for (auto i = std::size_t{0}; i < found.size(); ++i) {
      const auto& e = expected_[i];
      if (!found[i] && found[i].error().code == errc::cancelled)
        return fail(errc::cancelled, "{}: stopped before everything was verified", dir_.string());
      ++out_.digests;
      if (!found[i])
        wrong(found[i].error().text);
      else if (*found[i] != e.digest)
        wrong(e.name, "{}SHA-256 is {}, expected {}", e.what.empty() ? "" : e.what + ": ",
              to_hex(*found[i]), to_hex(e.digest));
    }
    return {};
  }

  const fs::path& dir_;
  compute_pool& pool_;
  const verify_options& options_;
  verify_report out_;
  model_config model_;
  presence here_;
  checksums sums_;
  bool has_checksums_ = false;
  std::map<std::string, std::uint64_t> sizes_;
  std::set<std::string> bad_files_;
  std::set<std::string> by_experts_; ///< layer files that are hashed expert by expert
  std::map<std::uint32_t, layer_header> headers_;
  std::vector<hash_job> jobs_;
  std::vector<expectation> expected_;
  std::uint64_t total_ = 0;
};

} // namespace

result<verify_report> verify(const fs::path& dir, compute_pool& pool,
                             const verify_options& options) {
  return verifier{dir, pool, options}.run();
}

} // namespace larql::vindex

#include "runtime/vindex/package/slice.hpp"

#include "runtime/base/disk_space.hpp"
#include "runtime/base/file_writer.hpp"
#include "runtime/base/json.hpp"
#include "runtime/base/unfinished_directory.hpp"
#include "runtime/vindex/directory.hpp"
#include "runtime/vindex/format.hpp"
#include "runtime/vindex/package/checksum_writer.hpp"
#include "runtime/vindex/package/hash_jobs.hpp"

#include <algorithm>

namespace larql::vindex {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t chunk_bytes = 8 << 20;  // read, hashed and written at a time
constexpr std::uint64_t spare_bytes = 16 << 20; // checksums, blocks of the file system

// What an unfinished directory must have been made of to be continued.
result<std::string> state_text(const slice_plan& plan) {
  auto files = json::object();
  for (const auto& f : plan.files) {
    auto error = std::error_code{};
    const auto time = fs::last_write_time(plan.source / f.name, error).time_since_epoch().count();
    if (error)
      return fail(errc::io, "{}: {}", (plan.source / f.name).string(), error.message());
    files[f.name] = {f.size_bytes, f.held_bytes, time};
  }
  const auto state = json{{"version", 1},
                          {"slice", write_presence(plan.here)},
                          {"index", plan.index},
                          {"files", std::move(files)}};
  return state.dump(-1, ' ', false, json::error_handler_t::replace);
}

class copier {
public:
  copier(const slice_plan& plan, fs::path dir, compute_pool& pool, const slice_options& options)
      : plan_(plan), dir_(std::move(dir)), pool_(pool), options_(options) {
    for (const auto& f : plan_.files)
      progress_.total_bytes += f.held_bytes;
    if (plan_.known)
      sums_.layers = plan_.known->layers;
  }

  result<void> run() {
    LARQL_TRY_VOID(take_over());
    LARQL_TRY_VOID(
        check_free_space(dir_, progress_.total_bytes - progress_.done_bytes, spare_bytes));
    for (const auto& f : plan_.files) {
      if (sums_.files.contains(f.name))
        continue;
      LARQL_TRY_VOID(make_directories((dir_ / f.name).parent_path()));
      progress_.file = f.name;
      LARQL_TRY_VOID(f.layer ? copy_layer(f) : copy_plain(f));
      LARQL_TRY_VOID(save_checksums(dir_, sums_));
    }
    LARQL_TRY_VOID(write_text(index_file, plan_.index));
    LARQL_TRY_VOID(write_text(slice_file, write_presence(plan_.here)));
    LARQL_TRY_VOID(save_checksums(dir_, sums_));
    return options_.last_step ? options_.last_step(dir_) : result<void>{};
  }

private:
  // Files of an earlier run count if they still have the hash that was written down for them.
  result<void> take_over() {
    LARQL_TRY(const auto earlier, read_checksums(dir_));
    if (!earlier)
      return {};
    auto files = std::vector<const planned_file*>{};
    auto jobs = std::vector<hash_job>{};
    for (const auto& f : plan_.files) {
      const auto it = earlier->files.find(f.name);
      auto error = std::error_code{};
      if (it == earlier->files.end() || it->second.bytes != f.size_bytes ||
          fs::file_size(dir_ / f.name, error) != f.size_bytes || error ||
          (f.layer && !earlier->layers.contains(*f.layer)))
        continue;
      files.push_back(&f);
      jobs.push_back({dir_ / f.name, {}});
    }
    for (auto& [number, layer] : sums_.layers) // computed by the earlier run
      if (const auto it = earlier->layers.find(number);
          !layer.answers && it != earlier->layers.end() && it->second.head == layer.head)
        layer.answers = it->second.answers;
    progress_.file = "checking what is there already";
    const auto digests =
        hash_all(jobs, pool_, [&](std::uint64_t, const fs::path&) { return report(0); });
    for (auto i = std::size_t{0}; i < jobs.size(); ++i) {
      if (!digests[i] && digests[i].error().code == errc::cancelled)
        return stopped();
      const auto& f = *files[i];
      if (!digests[i] || *digests[i] != earlier->files.at(f.name).sha256)
        continue;
      sums_.files[f.name] = earlier->files.at(f.name);
      if (f.layer)
        sums_.layers[*f.layer] = earlier->layers.at(*f.layer);
      progress_.done_bytes += f.held_bytes;
      progress_.resumed_bytes += f.held_bytes;
    }
    return {};
  }

  static failure stopped() {
    return fail(errc::cancelled, "stopped; the same command goes on from here");
  }

  bool report(std::uint64_t bytes) {
    progress_.done_bytes += bytes;
    return !options_.on_progress || options_.on_progress(progress_);
  }

  result<void> write_text(std::string_view name, const std::string& text) {
    sums_.files[std::string{name}] = {text.size(), hash_bytes(std::as_bytes(std::span{text}))};
    return write_text_file(dir_ / name, text);
  }

  result<void> copy(const file& in, byte_range range, checksum_writer& out) {
    for (auto done = std::uint64_t{0}; done < range.bytes;) {
      buffer_.resize(std::min(chunk_bytes, range.bytes - done));
      LARQL_TRY_VOID(in.read(range.offset + done, buffer_));
      LARQL_TRY_VOID(out.write(buffer_));
      done += buffer_.size();
      if (!report(buffer_.size()))
        return stopped();
    }
    return {};
  }

  [[nodiscard]] result<void> same(const planned_file& f, const std::string& what,
                                  const sha256_digest& found, const sha256_digest& known) const {
    if (found == known)
      return {};
    return fail(
        errc::corrupt, "{}: {} has SHA-256 {}, expected {} as {} says: the source is damaged",
        (plan_.source / f.name).string(), what, to_hex(found), to_hex(known), checksums_file);
  }

  // Names the file if its bytes are what the source's checksums say. `whole`: nothing is left out.
  result<void> finish(const planned_file& f, checksum_writer& out, bool whole) {
    const auto sum = out.sum();
    if (whole && plan_.known)
      if (const auto it = plan_.known->files.find(f.name); it != plan_.known->files.end())
        LARQL_TRY_VOID(same(f, "the file", sum.sha256, it->second.sha256));
    LARQL_TRY_VOID(out.commit());
    sums_.files[f.name] = sum;
    return {};
  }

  result<void> copy_plain(const planned_file& f) {
    LARQL_TRY(const auto in, file::open(plan_.source / f.name));
    LARQL_TRY(auto out, checksum_writer::create(dir_ / f.name, pool_));
    LARQL_TRY_VOID(copy(in, {0, f.size_bytes}, out));
    return finish(f, out, true);
  }

  result<void> copy_layer(const planned_file& f) {
    const auto& h = f.header;
    const auto whole = f.held_bytes == f.size_bytes;
    LARQL_TRY(const auto in, file::open(plan_.source / f.name));
    LARQL_TRY(auto out, checksum_writer::create(dir_ / f.name, pool_));
    LARQL_TRY_VOID(copy(in, {0, h.table_bytes}, out));
    auto layer = layer_checksum{out.end_part(), {}};
    layer.experts.resize(h.entries.size());
    const auto* known = known_layer(*f.layer);
    if (known != nullptr)
      LARQL_TRY_VOID(same(f, "the header", layer.head, known->head));
    auto at = h.table_bytes;
    // Bytes between matrices belong to no expert; a whole file keeps them.
    const auto pass = [&](std::uint64_t to) {
      const auto from = std::exchange(at, to);
      return whole ? copy(in, {from, to - from}, out) : out.skip(to - from);
    };
    for (const auto& run : runs(h)) {
      if (!plan_.here.has(*f.layer, run.expert))
        continue;
      LARQL_TRY_VOID(pass(run.range.offset));
      (void) out.end_part();
      LARQL_TRY_VOID(copy(in, run.range, out));
      at += run.range.bytes;
      auto digest = out.end_part();
      if (run.range.bytes != h.expert_bytes()) { // gate_up and down lie apart
        LARQL_TRY(digest, hash_ranges(in, expert_ranges(h, run.expert)));
      }
      if (known != nullptr && known->experts[run.expert])
        LARQL_TRY_VOID(
            same(f, fmt::format("expert {}", run.expert), digest, *known->experts[run.expert]));
      layer.experts[run.expert] = digest;
    }
    LARQL_TRY_VOID(pass(f.size_bytes));
    LARQL_TRY_VOID(finish(f, out, whole));
    auto& all = sums_.layers.try_emplace(*f.layer, layer).first->second;
    for (auto e = std::size_t{0}; e < all.experts.size(); ++e)
      if (!all.experts[e])
        all.experts[e] = layer.experts[e];
    return {};
  }

  struct expert_run {
    byte_range range;
    std::uint32_t expert;
  };

  // The matrices in file order; an expert's two are one run where they are neighbours.
  static std::vector<expert_run> runs(const layer_header& h) {
    auto out = std::vector<expert_run>{};
    for (auto i = 0u; i < h.entries.size(); ++i) {
      const auto& e = h.entries[i];
      if (e.down_offset == e.gate_up_offset + h.gate_up_bytes) {
        out.push_back({{e.gate_up_offset, h.expert_bytes()}, i});
      } else {
        out.push_back({{e.gate_up_offset, h.gate_up_bytes}, i});
        out.push_back({{e.down_offset, h.down_bytes}, i});
      }
    }
    std::sort(out.begin(), out.end(), [](const expert_run& a, const expert_run& b) {
      return a.range.offset < b.range.offset;
    });
    return out;
  }

  [[nodiscard]] const layer_checksum* known_layer(std::uint32_t layer) const {
    if (!plan_.known)
      return nullptr;
    const auto it = plan_.known->layers.find(layer);
    return it == plan_.known->layers.end() ? nullptr : &it->second;
  }

  const slice_plan& plan_;
  fs::path dir_;
  compute_pool& pool_;
  const slice_options& options_;
  slice_progress progress_;
  checksums sums_;
  std::vector<std::byte> buffer_;
};

} // namespace

result<void> slice(const slice_plan& plan, const fs::path& destination, compute_pool& pool,
                   const slice_options& options) {
  LARQL_TRY(const auto state, state_text(plan));
  LARQL_TRY(auto dir, unfinished_directory::open(destination, state,
                                                 vindex_output(options.force, {plan.source})));
  return dir.finish(copier{plan, dir.path(), pool, options}.run());
}

} // namespace larql::vindex

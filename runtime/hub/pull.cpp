#include "runtime/hub/pull.hpp"

#include "runtime/hub/file_fetcher.hpp"
#include "runtime/hub/pull_directory.hpp"
#include "runtime/hub/vindex_commit.hpp"
#include "runtime/vindex/format.hpp"

namespace larql::hub {

namespace {

namespace fs = std::filesystem;

class puller {
public:
  puller(const repo& from, const pull_request& request, const fs::path& to,
         const pull_options& options)
      : from_(from),
        request_(request),
        layout_(to),
        options_(options),
        hub_(options.http),
        fetcher_(
            layout_, options_,
            [this](const remote_file& f) { return hub_.file_url(from_, snapshot_.commit, f.path); },
            [this](const planned_file& f, const file& in) { return checks(f, in); }) {}

  result<pull_outcome> run() {
    LARQL_TRY(auto begun, begin_pull(from_, layout_, hub_, options_));
    snapshot_ = std::move(begun.from);
    LARQL_TRY(const auto meta, plan_meta(snapshot_));
    LARQL_TRY_VOID(fetcher_.fetch(meta, false));
    for (const auto& f : meta)
      if (f.is_meta)
        LARQL_TRY_VOID(move_into_place(layout_, f));
    LARQL_TRY_VOID(read_meta(meta));
    LARQL_TRY_VOID(check_listing(snapshot_, selection_, sums_ ? &*sums_ : nullptr));
    LARQL_TRY(const auto heads, plan_heads(snapshot_, selection_, model_));
    LARQL_TRY_VOID(fetcher_.fetch(heads, false));
    LARQL_TRY(const auto headers, read_headers(heads));
    LARQL_TRY(auto files, plan_all(snapshot_, selection_, model_, headers));
    for (const auto& f : files)
      outcome_.wanted_bytes += f.wanted.bytes();
    LARQL_TRY_VOID(fetcher_.fetch(files, true));
    outcome_.fetched_bytes = fetcher_.fetched_bytes();
    LARQL_TRY_VOID(check_small_files(files));
    LARQL_TRY(outcome_.unchecked_bytes, fetcher_.unchecked_bytes(files));
    LARQL_TRY_VOID(
        commit_vindex(layout_, {snapshot_, selection_, model_, sums_, remote_presence_}, files));
    outcome_.commit = snapshot_.commit;
    return outcome_;
  }

private:
  [[nodiscard]] bool stopped() const { return options_.http.stop.stop_requested(); }

  result<void> read_meta(const std::vector<planned_file>& meta) {
    const auto text_of = [&](std::string_view name) -> result<std::string> {
      for (const auto& f : meta)
        if (f.remote.path == name)
          return read_text_file(find_local(layout_, f).path, vindex::max_json_bytes);
      return std::string{};
    };
    const auto label = [&](std::string_view name) {
      return fmt::format("{}: {}", snapshot_.name, name);
    };
    LARQL_TRY(const auto index, text_of(vindex::index_file));
    LARQL_TRY(model_, vindex::parse_index(index, label(vindex::index_file)));
    LARQL_TRY(const auto sums, text_of(vindex::checksums_file));
    if (!sums.empty()) {
      LARQL_TRY(sums_, vindex::parse_checksums(sums, label(vindex::checksums_file)));
    }
    LARQL_TRY(const auto slice, text_of(vindex::slice_file));
    remote_presence_.holds = {vindex::everything(model_)};
    if (!slice.empty()) {
      LARQL_TRY(remote_presence_, vindex::parse_presence(slice, label(vindex::slice_file), model_));
    }
    return choose();
  }

  // What is asked for, and what is here already: a pull adds.
  result<void> choose() {
    LARQL_TRY(selection_, select(request_, model_));
    if (request_.to_run) {
      LARQL_TRY_VOID(vindex::require_dense(snapshot_.name, remote_presence_));
      for (const auto& b : selection_.blocks)
        LARQL_TRY_VOID(vindex::require_experts(snapshot_.name, remote_presence_, b));
    }
    // Of a slice, a request that names no experts gets all experts that it has.
    if (remote_presence_.sliced && !request_.experts && !request_.layers) {
      if (!selection_.blocks.empty())
        selection_.blocks = remote_presence_.holds;
    } else {
      for (const auto& b : selection_.blocks)
        LARQL_TRY_VOID(vindex::require_experts(snapshot_.name, remote_presence_, b));
    }
    LARQL_TRY(const auto has_index, path_exists(layout_.dir() / vindex::index_file));
    if (has_index) {
      const auto here = vindex::read_presence(layout_.dir(), model_);
      if (here) // else it is of another shape, and replaced
        add(selection_, *here);
    }
    return {};
  }

  result<layer_headers> read_headers(const std::vector<planned_file>& heads) const {
    auto out = layer_headers{};
    for (const auto& f : heads) {
      LARQL_TRY(const auto in, file::open(find_local(layout_, f).path));
      LARQL_TRY(auto header, vindex::read_layer_header(in, model_));
      out.emplace(*layer_of(f.remote.path, model_), std::move(header));
    }
    return out;
  }

  [[nodiscard]] result<std::vector<content_check>> checks(const planned_file& f,
                                                          const file& in) const {
    return checks_of(f, in, model_.layers != 0 ? &model_ : nullptr, sums_ ? &*sums_ : nullptr);
  }

  // Files of git have no SHA-256 in the listing, so it is made when they are here.
  result<void> check_small_files(const std::vector<planned_file>& files) {
    for (const auto& f : files) {
      const auto edited = may_be_edited(f.remote.path);
      if (!sums_ || (!f.remote.sha256.empty() && !edited) || !f.is_whole())
        continue;
      const auto sum = sums_->files.find(f.remote.path);
      if (sum == sums_->files.end())
        continue;
      LARQL_TRY(const auto in, file::open(find_local(layout_, f).path));
      const auto all = byte_range{0, in.size_bytes()};
      LARQL_TRY(const auto found,
                hash_ranges(in, {&all, 1}, [this](std::uint64_t) { return !stopped(); }));
      if (found == sum->second.sha256)
        continue;
      if (!edited)
        return disagreement(snapshot_, f.remote.path, "the repository's", to_hex(found),
                            to_hex(sum->second.sha256));
      sums_->files.erase(sum);
    }
    return {};
  }

  const repo& from_;
  const pull_request& request_;
  pull_layout layout_;
  const pull_options& options_;
  hub_client hub_;
  file_fetcher fetcher_;

  snapshot snapshot_;
  vindex::model_config model_;
  std::optional<vindex::checksums> sums_;
  vindex::presence remote_presence_;
  selection selection_;
  pull_outcome outcome_;
};

} // namespace

result<pull_outcome> pull(const repo& from, const pull_request& request, const fs::path& to,
                          const pull_options& options) {
  return puller{from, request, to, options}.run();
}

} // namespace larql::hub

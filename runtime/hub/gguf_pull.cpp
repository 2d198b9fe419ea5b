#include "runtime/hub/gguf_pull.hpp"

#include "runtime/base/held_bytes.hpp"
#include "runtime/hub/file_fetcher.hpp"
#include "runtime/hub/model_listing.hpp"
#include "runtime/hub/pull_directory.hpp"
#include "runtime/import/gguf.hpp"
#include "runtime/import/gguf_checkpoint.hpp"
#include "runtime/import/source_bytes.hpp"

#include <algorithm>
#include <cstring>

namespace larql::hub {

namespace {

namespace fs = std::filesystem;

// A head is as long as its vocabulary; how long is only known when it is here.
constexpr std::uint64_t first_head_bytes = 128 << 10;
constexpr std::uint64_t max_head_bytes = 256 << 20;
constexpr std::uint64_t head_growth = 4;

// Bytes between two wanted ranges that are not worth a request of their own.
constexpr std::uint64_t gap_bytes = 64 << 10;

// The only tensor whose numbers say something about the model.
constexpr std::string_view rope_divisors = "rope_freqs.weight";

bool wants_everything(const pull_request& r) {
  return r.preset == "all" && !r.parts && !r.experts && !r.layers && !r.heads;
}

interval_set joined(const interval_set& wanted) {
  auto out = interval_set{};
  auto last = std::uint64_t{0};
  for (const auto i : wanted.intervals()) {
    const auto near = last != 0 && i.begin - last <= gap_bytes;
    out.add({near ? last : i.begin, i.end});
    last = i.end;
  }
  return out;
}

// Whole files have one hash.
result<std::vector<content_check>> whole_check(const planned_file& f, const file& in) {
  return checks_of(f, in, nullptr, nullptr);
}

class gguf_puller {
public:
  gguf_puller(const model_address& from, const pull_request& request, const fs::path& to,
              const pull_options& options)
      : from_(from),
        request_(request),
        layout_(to),
        options_(options),
        hub_(options.http),
        fetcher_(
            layout_, options_,
            [this](const remote_file& f) {
              return hub_.file_url(from_.repo, snapshot_.commit, f.path);
            },
            whole_check) {}

  result<pulled_gguf> run() {
    LARQL_TRY(auto begun, begin_pull(from_.repo, layout_, hub_, options_));
    snapshot_ = std::move(begun.from);
    LARQL_TRY(model_, choose_gguf(snapshot_, from_));
    out_.lock = std::move(begun.lock);
    out_.contents = model_.contents();
    if (!wants_everything(request_) && !is_in_place()) {
      LARQL_TRY(const auto whole, pull_part());
      if (!whole)
        return finish();
    }
    LARQL_TRY_VOID(pull_whole());
    return finish();
  }

private:
  static planned_file planned(const remote_file& f, interval_set wanted) {
    return {f, std::move(wanted), false};
  }
  static planned_file whole(const remote_file& f) {
    return planned(f, interval_set{interval{0, f.bytes}});
  }

  [[nodiscard]] bool is_in_place() const {
    return std::all_of(model_.parts.begin(), model_.parts.end(), [&](const remote_file& f) {
      const auto local = find_local(layout_, whole(f));
      return local.in_place && local.state.held.bytes() == f.bytes;
    });
  }

  result<pulled_gguf> finish() {
    out_.outcome.commit = snapshot_.commit;
    out_.outcome.fetched_bytes = fetcher_.fetched_bytes();
    return std::move(out_);
  }

  // ---- all of it --------------------------------------------------------------------------------

  result<void> pull_whole() {
    auto files = std::vector<planned_file>{};
    for (const auto& f : model_.parts)
      files.push_back(whole(f));
    LARQL_TRY_VOID(drop_other_contents());
    LARQL_TRY_VOID(fetcher_.fetch(files, true));
    for (const auto& f : files) {
      LARQL_TRY_VOID(move_into_place(layout_, f));
      auto ignored = std::error_code{}; // the list of a file that is there no more
      fs::remove(held_path(layout_.part(f.remote.path)), ignored);
      out_.files.push_back(layout_.dir() / f.remote.path);
      fs::remove(held_path(out_.files.back()), ignored);
      out_.outcome.wanted_bytes += f.remote.bytes;
    }
    return {};
  }

  // ---- a part of it -----------------------------------------------------------------------------

  // True if it turns out that all of it is wanted.
  result<bool> pull_part() {
    LARQL_TRY_VOID(drop_other_contents());
    LARQL_TRY_VOID(pull_heads());
    LARQL_TRY_VOID(pull_rope_divisors());
    for (const auto& f : model_.parts)
      out_.files.push_back(find_local(layout_, whole(f)).path);
    LARQL_TRY(const auto source,
              import::open_gguf(out_.files[0], {.texts = false, .parts = out_.files}));
    LARQL_TRY(const auto plan, import::plan_extract(source, vindex::quant_kind::lossless, {},
                                                    import::matrices_lie::in_source));
    LARQL_TRY(const auto needs, needs_of(request_, source.config));
    const auto all = std::vector{vindex::everything(source.config)};
    if (needs.dense && needs.experts == all) {
      out_.files.clear();
      return true;
    }
    const auto wanted = needed_bytes(plan, model_.parts.size(), needs);
    auto files = std::vector<planned_file>{};
    for (auto i = std::size_t{0}; i < wanted.size(); ++i) {
      auto bytes = wanted[i];
      bytes.add({0, heads_[i]});
      files.push_back(planned(model_.parts[i], joined(bytes)));
      out_.outcome.wanted_bytes += files.back().wanted.bytes();
    }
    const auto fetched = fetcher_.fetch(files, true);
    LARQL_TRY(const auto held, note_held());
    LARQL_TRY_VOID(fetched);
    LARQL_TRY(out_.outcome.unchecked_bytes, fetcher_.unchecked_bytes(files));
    describe(import::available_in(plan, held), needs, all);
    return false;
  }

  // Bytes of a file that was called the same in another commit. Somebody may be using them, so the
  // file is not written to.
  result<void> drop_other_contents() const {
    for (const auto& f : model_.parts) {
      const auto part = layout_.part(f.path);
      LARQL_TRY(const auto exists, path_exists(part));
      if (!exists || !find_local(layout_, whole(f)).state.held.empty())
        continue;
      auto error = std::error_code{};
      fs::remove(held_path(part), error);
      if (!error)
        fs::remove(part, error);
      if (error)
        return fail(errc::io, "{}: remove: {}", part.string(), error.message());
    }
    return {};
  }

  result<void> pull_heads() {
    for (const auto& f : model_.parts) {
      LARQL_TRY(const auto bytes, pull_head(f));
      heads_.push_back(bytes);
    }
    return {};
  }

  // The length of a file's head, which is here afterwards.
  result<std::uint64_t> pull_head(const remote_file& f) {
    for (auto bytes = first_head_bytes;; bytes *= head_growth) {
      bytes = std::min(bytes, f.bytes);
      const auto start = planned(f, interval_set{interval{0, bytes}});
      LARQL_TRY_VOID(fetcher_.fetch({start}, false));
      LARQL_TRY(const auto in, file::open(find_local(layout_, start).path));
      auto text = std::vector<std::byte>(bytes);
      LARQL_TRY_VOID(in.read(0, text));
      const auto head = import::parse_gguf(text, fmt::format("{}: {}", snapshot_.name, f.path));
      if (head) {
        const auto end = std::min(head->data_offset, f.bytes);
        LARQL_TRY_VOID(fetcher_.fetch({planned(f, interval_set{interval{0, end}})}, false));
        return end;
      }
      // What is cut off looks like damage; another version or container does not.
      const auto is_gguf = std::memcmp(text.data(), "GGUF", std::min<std::size_t>(4, bytes)) == 0;
      if (bytes == f.bytes || bytes >= max_head_bytes || !is_gguf ||
          head.error().code == errc::unsupported)
        return head.error();
    }
  }

  result<void> pull_rope_divisors() {
    auto files = std::vector<planned_file>{};
    for (const auto& f : model_.parts) {
      LARQL_TRY(const auto in, import::gguf_file::open(find_local(layout_, whole(f)).path));
      for (const auto& t : in.head().tensors) {
        if (t.name != rope_divisors)
          continue;
        const auto begin = std::min(f.bytes, in.head().data_offset + t.offset);
        const auto end = std::min(f.bytes, begin + t.dims[0] * sizeof(float));
        files.push_back(planned(f, interval_set{interval{begin, end}}));
      }
    }
    return fetcher_.fetch(files, false);
  }

  // Whoever opens the files knows from now on what they hold.
  result<std::vector<interval_set>> note_held() const {
    auto out = std::vector<interval_set>{};
    for (const auto& f : model_.parts) {
      auto local = find_local(layout_, whole(f));
      if (local.state.held.bytes() != f.bytes || !local.in_place)
        LARQL_TRY_VOID(write_held(local.path, local.state.held, f.bytes));
      out.push_back(std::move(local.state.held));
    }
    return out;
  }

  void describe(const import::available_numbers& found, const import::source_needs& needs,
                const std::vector<vindex::expert_block>& all) {
    if (found.dense && found.experts == all)
      return;
    using enum vindex::part;
    auto& here = out_.here.emplace();
    here.sliced = true;
    here.source =
        fmt::format("{}: {} ({})", snapshot_.name, model_.path, snapshot_.commit.substr(0, 12));
    here.parts = {index, norms, router, manifest, tokenizer, expert_layers};
    for (const auto p : {embed, attn, ffn, lm_head})
      (found.dense ? here.parts : here.left_out).insert(p);
    here.holds = found.experts.size() <= vindex::max_expert_blocks ? found.experts : needs.experts;
  }

  const model_address& from_;
  const pull_request& request_;
  pull_layout layout_;
  const pull_options& options_;
  hub_client hub_;
  file_fetcher fetcher_;

  snapshot snapshot_;
  gguf_model model_;
  std::vector<std::uint64_t> heads_; ///< bytes of the parts' heads
  pulled_gguf out_;
};

} // namespace

result<pulled_gguf> pull_gguf(const model_address& from, const pull_request& request,
                              const fs::path& to, const pull_options& options) {
  return gguf_puller{from, request, to, options}.run();
}

result<import::source_needs> needs_of(const pull_request& request,
                                      const vindex::model_config& model) {
  LARQL_TRY(const auto wanted, select(request, model));
  auto out = import::source_needs{};
  out.dense = wanted.parts.contains(vindex::part::attn) || wanted.parts.contains(vindex::part::ffn);
  out.texts = wanted.parts.contains(vindex::part::tokenizer);
  out.experts = wanted.blocks;
  return out;
}

} // namespace larql::hub

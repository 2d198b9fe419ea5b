// Prompts on disk: a directory of files (runtime/generate/prompt_file.hpp), which several processes
// may share.
//
// Policy    At most so many bytes, the least recently used file goes first; a file that was not
//           used for so long goes as well. A file that turns out to be damaged is removed, and so
//           is one that a condemned node had a part in. Nothing else in the directory is touched.
// Threads   Any. Files are read and written by a thread of the store's own, one after the other.
// Errors    A file that cannot be used is a warning in the log, and the prompt is read as usual.
// Clock     The time of use is a file's time of modification: processes have no other in common.

#pragma once

#include "actors/session/prompt_store.hpp"
#include "actors/session/session_service.hpp"
#include "runtime/generate/prompt_file.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace larql::actors {

/// What keys and values of a model are of use for: prompt_file_id::model.
[[nodiscard]] sha256_digest prompt_model(const cache_identity& identity, gemma4::kv_format kv);

class disk_store final : public prompt_store {
public:
  /// Makes the directory if there is none, for its owner alone. Fails if that cannot be, or if
  /// others may write there. `makers` outlives the store; null: all experts are this process's own.
  [[nodiscard]] static result<std::unique_ptr<disk_store>>
  open(const disk_cache_options& options, const cache_identity& identity, gemma4::kv_format kv,
       bool shared, const experts::maker_ledger* makers = nullptr);
  ~disk_store() override;

  [[nodiscard]] std::uint32_t reach(const std::string& client,
                                    std::span<const std::uint32_t> tokens,
                                    std::uint32_t most) override;
  void load(const std::string& client, std::vector<std::uint32_t> tokens, std::uint32_t most,
            std::unique_ptr<generate::sequence> into, loaded_fn on_loaded) override;
  void save(const std::string& client, generate::sequence::prefix prefix) override;
  void flush() override;

private:
  struct entry {
    std::filesystem::path path;
    sha256_digest owner{};
    std::vector<std::uint32_t> tokens;
    std::vector<std::uint64_t> makers; // incarnations
    std::uint64_t bytes = 0;
    std::filesystem::file_time_type used;
  };

  disk_store(const disk_cache_options& options, sha256_digest model, bool shared,
             const experts::maker_ledger* makers)
      : options_(options), model_(model), shared_(shared), makers_(makers) {}

  void scan();
  [[nodiscard]] sha256_digest owner_of(const std::string& client) const;
  [[nodiscard]] static std::uint32_t reach_of(const entry& e, std::span<const std::uint32_t> tokens,
                                              std::uint32_t most);
  [[nodiscard]] const entry* best(const sha256_digest& owner, std::span<const std::uint32_t> tokens,
                                  std::uint32_t most) const;
  void read(const sha256_digest& owner, std::span<const std::uint32_t> tokens, std::uint32_t most,
            generate::sequence& into);
  void write(const sha256_digest& owner, const generate::sequence::prefix& prefix);
  void make_room();
  [[nodiscard]] bool is_void(std::span<const std::uint64_t> makers) const;
  void drop_void();
  void forget(const std::filesystem::path& path, bool remove);
  void post(std::function<void()> job);
  void run();

  disk_cache_options options_;
  sha256_digest model_;
  bool shared_;
  const experts::maker_ledger* makers_;

  mutable std::mutex mutex_; // of what follows
  std::vector<entry> entries_;
  std::uint64_t condemnations_ = 0; // that drop_void() has seen
  std::deque<std::function<void()>> jobs_;
  std::condition_variable changed_;
  bool working_ = false;
  bool ending_ = false;
  std::thread thread_;
};

} // namespace larql::actors

#include "actors/session/disk_store.hpp"

#include "runtime/base/bytes.hpp"
#include "runtime/base/file_writer.hpp"
#include "runtime/base/log.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include <sys/stat.h>
#include <unistd.h>

namespace larql::actors {

namespace {

namespace fs = std::filesystem;
using clock = fs::file_time_type::clock;

constexpr std::string_view extension = ".prompt";
constexpr std::size_t name_digits = 32;
/// Sliding layers keep what is needed to go on from a little before the end.
constexpr std::uint32_t slack = gemma4::kv_cache::slack_positions - 1;
/// A temporary file that is so old was left by a process that was killed.
constexpr auto abandoned = std::chrono::hours{24};

sha256_digest digest_of(std::initializer_list<std::string_view> texts) {
  auto h = sha256{};
  for (const auto text : texts) {
    const auto size = std::uint64_t{text.size()}; // so that texts cannot run into each other
    h.update(std::as_bytes(std::span{&size, 1}));
    h.update(std::as_bytes(std::span{text}));
  }
  return h.finish();
}

std::string name_of(const generate::prompt_file_id& id, std::span<const std::uint32_t> tokens) {
  auto h = sha256{};
  h.update(id.model);
  h.update(id.owner);
  h.update(std::as_bytes(tokens));
  return to_hex(h.finish()).substr(0, name_digits).append(extension);
}

bool is_our_name(const std::string& name) {
  return name.size() == name_digits + extension.size() && name.ends_with(extension) &&
         std::all_of(name.begin(), name.begin() + name_digits,
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

result<void> make_private_directory(const fs::path& dir) {
  auto ec = std::error_code{};
  if (dir.has_parent_path())
    fs::create_directories(dir.parent_path(), ec);
  if (::mkdir(dir.c_str(), 0700) != 0 && errno != EEXIST)
    return fail(errc::io, "{}: {}", dir.string(), std::strerror(errno));
  struct stat s {};
  if (::stat(dir.c_str(), &s) != 0)
    return fail(errc::io, "{}: {}", dir.string(), std::strerror(errno));
  if (!S_ISDIR(s.st_mode))
    return fail(errc::usage, "{}: expected a directory", dir.string());
  if (s.st_uid != ::geteuid() || (s.st_mode & 022) != 0)
    return fail(errc::usage,
                "{}: others may write there; cached prompts need a directory of one's own (chmod "
                "go-w)",
                dir.string());
  return {};
}

} // namespace

// ---- opening ------------------------------------------------------------------------------------

sha256_digest prompt_model(const cache_identity& identity, gemma4::kv_format kv) {
  return digest_of({identity.weights, identity.tokenizer, identity.exactness,
                    kv == gemma4::kv_format::f16 ? "f16" : "f32"});
}

result<std::unique_ptr<disk_store>> disk_store::open(const disk_cache_options& options,
                                                     const cache_identity& identity,
                                                     gemma4::kv_format kv, bool shared,
                                                     const experts::maker_ledger* makers) {
  LARQL_TRY_VOID(make_private_directory(options.dir));
  auto out = std::unique_ptr<disk_store>{
      new disk_store{options, prompt_model(identity, kv), shared, makers}};
  out->scan();
  try {
    out->thread_ = std::thread{[self = out.get()] { self->run(); }};
  } catch (const std::system_error& e) {
    return fail(errc::io, "cannot start the thread that reads and writes {}: {}",
                options.dir.string(), e.what());
  }
  return out;
}

// Files of other models stay for those who use them, and count.
void disk_store::scan() {
  auto ec = std::error_code{};
  const auto now = clock::now();
  for (const auto& file : fs::directory_iterator{options_.dir, ec}) {
    const auto name = file.path().filename().string();
    const auto used = file.last_write_time(ec);
    if (ec)
      continue;
    if (is_temporary_name(name) && now - used > abandoned) {
      fs::remove(file.path(), ec);
      continue;
    }
    if (!is_our_name(name))
      continue;
    auto head = generate::read_prompt_head(file.path());
    if (!head) {
      log_warning("session", "{}", head.error().text);
      if (head.error().code == errc::corrupt)
        fs::remove(file.path(), ec);
      continue;
    }
    auto e = entry{file.path(), head->id.owner, {}, std::move(head->makers), head->bytes, used};
    if (head->id.model == model_)
      e.tokens = std::move(head->tokens);
    entries_.push_back(std::move(e));
  }
  make_room();
}

disk_store::~disk_store() {
  {
    const auto lock = std::scoped_lock{mutex_};
    ending_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable())
    thread_.join();
}

// ---- finding ------------------------------------------------------------------------------------

sha256_digest disk_store::owner_of(const std::string& client) const {
  return shared_ ? digest_of({"shared"}) : digest_of({"client", client});
}

std::uint32_t disk_store::reach_of(const entry& e, std::span<const std::uint32_t> tokens,
                                   std::uint32_t most) {
  const auto same = static_cast<std::uint32_t>(
      std::mismatch(e.tokens.begin(), e.tokens.end(), tokens.begin(), tokens.end()).first -
      e.tokens.begin());
  const auto usable = std::min(same, most);
  return e.tokens.size() - usable <= slack ? usable : 0;
}

const disk_store::entry* disk_store::best(const sha256_digest& owner,
                                          std::span<const std::uint32_t> tokens,
                                          std::uint32_t most) const {
  const entry* out = nullptr;
  auto reached = 0u;
  for (const auto& e : entries_)
    if (!e.tokens.empty() && e.owner == owner && !is_void(e.makers))
      if (const auto r = reach_of(e, tokens, most); r > reached) {
        out = &e;
        reached = r;
      }
  return out;
}

std::uint32_t disk_store::reach(const std::string& client, std::span<const std::uint32_t> tokens,
                                std::uint32_t most) {
  drop_void();
  const auto lock = std::scoped_lock{mutex_};
  const auto* e = best(owner_of(client), tokens, most);
  return e == nullptr ? 0 : reach_of(*e, tokens, most);
}

// ---- jobs ---------------------------------------------------------------------------------------

void disk_store::load(const std::string& client, std::vector<std::uint32_t> tokens,
                      std::uint32_t most, std::unique_ptr<generate::sequence> into,
                      loaded_fn on_loaded) {
  const auto held = std::make_shared<std::unique_ptr<generate::sequence>>(std::move(into));
  post([this, owner = owner_of(client), tokens = std::move(tokens), most, held,
        on_loaded = std::move(on_loaded)] {
    read(owner, tokens, most, **held);
    on_loaded(std::move(*held));
  });
}

void disk_store::save(const std::string& client, generate::sequence::prefix prefix) {
  const auto held = std::make_shared<generate::sequence::prefix>(std::move(prefix));
  post([this, owner = owner_of(client), held] { write(owner, *held); });
}

void disk_store::read(const sha256_digest& owner, std::span<const std::uint32_t> tokens,
                      std::uint32_t most, generate::sequence& into) {
  auto path = fs::path{};
  {
    const auto lock = std::scoped_lock{mutex_};
    if (const auto* e = best(owner, tokens, most))
      path = e->path;
  }
  if (path.empty())
    return;
  if (auto done = generate::read_prompt_file(path, {model_, owner}, into, makers_); !done) {
    log_warning("session", "{}; the prompt is read as usual", done.error().text);
    if (done.error().code != errc::unavailable) // memory, which is not the file's fault
      forget(path, done.error().code == errc::corrupt);
    return;
  }
  auto ec = std::error_code{};
  fs::last_write_time(path, clock::now(), ec);
  const auto lock = std::scoped_lock{mutex_};
  for (auto& e : entries_)
    if (e.path == path)
      e.used = clock::now();
}

void disk_store::write(const sha256_digest& owner, const generate::sequence::prefix& prefix) {
  auto makers =
      makers_ == nullptr ? std::vector<std::uint64_t>{} : makers_->incarnations_of(prefix.makers());
  if (is_void(makers))
    return;
  const auto id = generate::prompt_file_id{model_, owner};
  const auto path = options_.dir / name_of(id, prefix.tokens);
  {
    const auto lock = std::scoped_lock{mutex_};
    if (std::any_of(entries_.begin(), entries_.end(),
                    [&](const entry& e) { return e.path == path; }))
      return;
  }
  if (auto done = generate::write_prompt_file(path, id, prefix, makers); !done) {
    log_warning("session", "a prompt is not kept on disk: {}", done.error().text);
    return;
  }
  auto ec = std::error_code{};
  const auto bytes = fs::file_size(path, ec);
  {
    const auto lock = std::scoped_lock{mutex_};
    entries_.push_back(
        {path, owner, prefix.tokens, std::move(makers), ec ? 0 : bytes, clock::now()});
  }
  make_room();
}

// A file does not say when it was made, so a check that its makers have passed since does not save
// it.
bool disk_store::is_void(std::span<const std::uint64_t> makers) const {
  return makers_ != nullptr && makers_->condemnations() != 0 &&
         std::any_of(makers.begin(), makers.end(),
                     [&](std::uint64_t m) { return makers_->is_condemned(m); });
}

// The next process does not know yet who was condemned: the files must be gone.
void disk_store::drop_void() {
  if (makers_ == nullptr)
    return;
  const auto now = makers_->condemnations();
  {
    const auto lock = std::scoped_lock{mutex_};
    if (std::exchange(condemnations_, now) == now)
      return;
  }
  post([this] {
    auto gone = std::vector<fs::path>{};
    {
      const auto lock = std::scoped_lock{mutex_};
      for (const auto& e : entries_)
        if (is_void(e.makers))
          gone.push_back(e.path);
    }
    if (!gone.empty())
      log_warning("session",
                  "{} cached prompts are removed from {}: a node that had a part in them has given "
                  "wrong answers",
                  gone.size(), options_.dir.string());
    for (const auto& path : gone)
      forget(path, true);
  });
}

void disk_store::make_room() {
  auto gone = std::vector<fs::path>{};
  {
    const auto lock = std::scoped_lock{mutex_};
    std::sort(entries_.begin(), entries_.end(),
              [](const entry& a, const entry& b) { return a.used > b.used; });
    auto sum = std::uint64_t{0};
    const auto expired = clock::now() - options_.expires;
    for (const auto& e : entries_) {
      sum += e.bytes;
      if (sum > options_.max_bytes || e.used < expired)
        gone.push_back(e.path);
    }
  }
  for (const auto& path : gone)
    forget(path, true);
}

void disk_store::forget(const fs::path& path, bool remove) {
  auto ec = std::error_code{};
  if (remove)
    fs::remove(path, ec);
  const auto lock = std::scoped_lock{mutex_};
  std::erase_if(entries_, [&](const entry& e) { return e.path == path; });
}

// ---- the thread ---------------------------------------------------------------------------------

void disk_store::post(std::function<void()> job) {
  const auto lock = std::scoped_lock{mutex_};
  jobs_.push_back(std::move(job));
  changed_.notify_all();
}

void disk_store::flush() {
  drop_void();
  auto lock = std::unique_lock{mutex_};
  changed_.wait(lock, [&] { return jobs_.empty() && !working_; });
}

void disk_store::run() {
  auto lock = std::unique_lock{mutex_};
  for (;;) {
    changed_.wait(lock, [&] { return !jobs_.empty() || ending_; });
    if (jobs_.empty())
      return;
    auto job = std::move(jobs_.front());
    jobs_.pop_front();
    working_ = true;
    lock.unlock();
    job();
    job = {};
    lock.lock();
    working_ = false;
    changed_.notify_all();
  }
}

} // namespace larql::actors

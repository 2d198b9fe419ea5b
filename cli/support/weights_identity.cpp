#include "cli/support/weights_identity.hpp"

#include "runtime/base/log.hpp"
#include "runtime/experts/digest_table.hpp"
#include "runtime/vindex/locations.hpp"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>

namespace larql::cli {

namespace {

// This thread runs when no other wants to, and reads when nobody else does. Where the system does
// not know the second, the first must do.
void give_way_to_others() {
  const auto thread = static_cast<id_t>(::syscall(SYS_gettid));
  (void) ::setpriority(PRIO_PROCESS, thread, 19);
  constexpr auto this_thread = 1, idle_class = 3 << 13; // ioprio_set(2)
  (void) ::syscall(SYS_ioprio_set, this_thread, 0, idle_class);
}

vindex::expert_block block_of(const experts::ownership& o) {
  return {o.layers.first, o.layers.last, o.experts.first, o.experts.last};
}

} // namespace

result<std::shared_ptr<weights_identity>>
weights_identity::open(const std::filesystem::path& dir, const vindex::model_config& model) {
  auto out = std::shared_ptr<weights_identity>{new weights_identity{dir, model}};
  LARQL_TRY(auto sums, vindex::read_checksums(dir));
  out->sums_ =
      std::make_shared<const vindex::checksums>(sums ? *std::move(sums) : vindex::checksums{});
  return out;
}

std::optional<sha256_digest> weights_identity::digest_of(const experts::ownership& owned) const {
  const auto sums = [&] {
    const auto lock = std::scoped_lock{mutex_};
    return sums_;
  }();
  return vindex::range_digest(*sums, block_of(owned));
}

std::jthread weights_identity::complete(const experts::ownership& owned,
                                        std::function<void(const sha256_digest&)> on_known) {
  // A vindex of files of its own was made with its digests, or by a program that makes none.
  const auto where = vindex::read_locations(dir_);
  if (digest_of(owned) || !where || !*where)
    return {};
  auto work = [this, owned, on_known = std::move(on_known)](const std::stop_token& stop) {
    give_way_to_others();
    auto sums =
        experts::add_digests(dir_, model_, block_of(owned),
                             [&](std::uint64_t, std::uint64_t) { return !stop.stop_requested(); });
    if (!sums) {
      if (sums.error().code != errc::cancelled)
        log_warning("weights", "digests of experts: {}", sums.error().text);
      return;
    }
    {
      const auto lock = std::scoped_lock{mutex_};
      sums_ = std::make_shared<const vindex::checksums>(*std::move(sums));
    }
    if (const auto known = digest_of(owned); known && on_known)
      on_known(*known);
  };
  try {
    return std::jthread{std::move(work)};
  } catch (const std::system_error& e) {
    log_warning("weights", "no thread to compute digests of experts: {}", e.what());
    return {};
  }
}

} // namespace larql::cli

#include "cli/node/session_place.hpp"

#include "actors/net/model_match.hpp"
#include "cli/support/session_identity.hpp"
#include "runtime/base/available_memory.hpp"
#include "runtime/base/format_bytes.hpp"
#include "runtime/base/log.hpp"
#include "runtime/models/gemma4/kv_size.hpp"
#include "runtime/vindex/format.hpp"
#include "runtime/vindex/presence.hpp"

#include <algorithm>
#include <cstring>
#include <random>
#include <sys/prctl.h>

namespace larql::cli {

namespace {

constexpr auto usual_sessions = 4u; // with certificates that allow them
constexpr auto chunk = 256u;
constexpr auto kv = gemma4::kv_format::f16;
constexpr auto usual_context = 8192u;
constexpr auto least_context = 512u;

bool owns_all(const experts::ownership& owned, const vindex::model_config& m) {
  return owned.layers.first == 0 && owned.layers.last == m.layers - 1 && owned.experts.first == 0 &&
         owned.experts.last == m.experts - 1;
}

result<void> can_hold(const node_settings& s, const vindex::model_config& model,
                      const experts::ownership& owned) {
  LARQL_TRY(const auto here, vindex::read_presence(s.vindex, model));
  LARQL_TRY_VOID(vindex::require_dense(s.vindex, here));
  if (owns_all(owned, model) || s.others)
    return {};
  return fail(errc::usage,
              "sessions need all experts: this node owns {} of layers {}, and no cluster file says "
              "who owns the others (--topology FILE --node NAME)",
              to_string(owned.experts), to_string(owned.layers));
}

schema::session_key random_key() {
  auto device = std::random_device{};
  auto out = schema::session_key{};
  for (auto i = std::size_t{0}; i < out.size(); i += sizeof(std::uint32_t)) {
    const auto bits = std::uint32_t{device()};
    std::memcpy(out.data() + i, &bits, sizeof bits);
  }
  return out;
}

// What a laptop's memory holds, as long as the model was trained for at most.
std::uint32_t context_of(const vindex::model_config& m, std::uint64_t bytes) {
  auto out = m.trained_context != 0 ? m.trained_context : usual_context;
  while (out > least_context && gemma4::kv_bytes(m, kv, out, chunk) > bytes)
    out = std::max(out / 2, least_context);
  return out;
}

} // namespace

result<std::uint32_t> sessions_of(const node_settings& s, const vindex::model_config& model,
                                  const experts::ownership& owned) {
  const auto wanted = s.allow_sessions.value_or(s.protect.files.any() ? usual_sessions : 0);
  if (wanted == 0)
    return 0u;
  if (auto can = can_hold(s, model, owned); !can) {
    if (s.allow_sessions)
      return std::move(can).error().in("--allow-sessions");
    return 0u; // a node as any other
  }
  return wanted;
}

session_place::session_place(const node_settings& s, vindex::model_config model,
                             kernels::compute compute, const experts::expert_bank& bank,
                             const experts::ownership& owned, std::uint32_t sessions,
                             caf::actor_system& sys)
    : settings_(s),
      config_(std::move(model)),
      kernels_(compute.k),
      bank_(bank),
      owned_(owned),
      sessions_(sessions),
      system_(sys),
      pool_(std::make_unique<compute_pool>(compute.pool.threads())) {}

session_place::~session_place() {
  stop();
  const auto lock = std::scoped_lock{mutex_};
  if (thread_.joinable())
    thread_.join();
}

actors::session_desk_options session_place::desk() {
  auto out = actors::session_desk_options{};
  out.limits.sessions = sessions_;
  out.random_id = random_key;
  out.start = [this] { return host(); };
  out.elsewhere = [this](std::function<void()> work) {
    const auto lock = std::scoped_lock{mutex_};
    thread_ = std::jthread{std::move(work)}; // the one before has sent its last message
  };
  return out;
}

// The experts of this machine, and those of other nodes if it has not all.
result<void> session_place::start_experts() {
  local_ = std::make_unique<experts::local_experts>(kernels::compute{kernels_, *pool_}, bank_);
  if (owns_all(owned_, config_))
    return {};
  LARQL_TRY(const auto weights, vindex::name_weights(settings_.vindex, config_));
  auto o = actors::cluster_options{*settings_.others, actors::identity_of(config_, weights),
                                   settings_.name, stop_.get_token()};
  o.own = owned_;
  LARQL_TRY(cluster_, actors::cluster::connect(system_, o));
  remote_ = std::make_unique<actors::remote_experts>(
      system_, cluster_->router(), cluster_->formats(), kernels::compute{kernels_, *pool_},
      cluster_->limits(), cluster_->makers());
  combined_ = std::make_unique<experts::combined_experts>(*local_, owned_, *remote_);
  return {};
}

actors::session_options session_place::options() const {
  auto out = actors::session_options{};
  const auto least = gemma4::kv_bytes(config_, kv, least_context, chunk);
  const auto all = settings_.session_bytes.value_or(
      gemma4::usual_kv_memory(available_memory(), 0, least * sessions_));
  out.limits.kv_bytes = std::max(all, least * sessions_);
  out.limits.context = context_of(config_, out.limits.kv_bytes / sessions_);
  const auto sequences = actors::desk_limits{}.sequences;
  out.limits.running = sessions_ * sequences;
  out.limits.waiting = out.limits.running;
  // A laptop that is away does not read: its session has a time of its own.
  out.limits.longest_pause = actors::desk_limits{}.kept * 2;
  out.kv = kv;
  out.chunk = chunk;
  out.groups = remote_ ? 2 : 1;
  out.wipes = true;
  return out;
}

result<void> session_place::start() {
  // Nobody reads in a core file, or over a debugger's shoulder, what laptops say here.
  if (::prctl(PR_SET_DUMPABLE, 0) != 0)
    return fail(errc::io, "this process cannot be kept from being dumped: {}",
                std::strerror(errno));
  LARQL_TRY(model_, gemma4::model::load(settings_.vindex));
  const auto dir = std::filesystem::path{settings_.vindex};
  LARQL_TRY(tokens_, text::tokenizer::load(dir / vindex::tokenizer_file));
  LARQL_TRY(defaults_, text::read_generation_config(dir / vindex::generation_config_file, tokens_));
  LARQL_TRY(identity_, session_identity(dir, config_, kv, stop_.get_token()));
  LARQL_TRY_VOID(start_experts());
  const auto o = options();
  auto& port = combined_ ? static_cast<experts::expert_port&>(*combined_) : *local_;
  LARQL_TRY(service_, actors::session_service::start(system_, model_,
                                                     kernels::compute{kernels_, *pool_}, port, o));
  log_info("session",
           "ready for {} sessions of {} tokens each; memory for keys and values: {}, prompts and "
           "text are in no log and no core file",
           sessions_, o.limits.context, format_bytes(o.limits.kv_bytes));
  return {};
}

actors::session_host_ptr session_place::host() {
  auto out = std::make_shared<actors::session_host>();
  try {
    if (auto ok = start(); !ok)
      out->failed = std::move(ok).error();
  } catch (const std::exception& e) { // no thread or no memory
    out->failed = fail(errc::unavailable, "{}", e.what());
  }
  if (out->failed) {
    log_warning("session", "cannot hold sessions: {}", out->failed->text);
    return out;
  }
  const auto& o = service_->options();
  out->service = service_->client().service();
  out->tokens = &tokens_;
  out->new_engine = [this] {
    return grammar::constraint_engine::create(tokens_,
                                              {defaults_.stop.begin(), defaults_.stop.end()});
  };
  out->identity = identity_;
  out->model = config_;
  out->kv = kv;
  out->chunk = chunk;
  out->context = o.limits.context;
  out->kv_bytes = o.limits.kv_bytes / sessions_;
  return out;
}

} // namespace larql::cli

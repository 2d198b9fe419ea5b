#include "cli/serve/server/api_server.hpp"

#include "actors/net/member_files.hpp"
#include "runtime/base/log.hpp"
#include "runtime/base/mapped_file.hpp"

#include <climits>
#include <thread>
#include <unistd.h>

namespace larql::serve {

namespace {

constexpr auto max_pem_bytes = std::uint64_t{1} << 20;
constexpr auto idle_poll = std::chrono::milliseconds{10};

std::string own_name() {
  char name[HOST_NAME_MAX + 1] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "";
}

} // namespace

result<void> api_server::check_bind() const {
  const auto& o = options_;
  if (o.certificate.empty() != o.key.empty())
    return fail(errc::usage, "--https-cert and --https-key belong together");
  if (actors::is_loopback(o.host) || o.insecure_bind)
    return {};
  if (o.api_key_file.empty())
    return fail(errc::usage,
                "--host {}: other machines reach this address, so clients need a key: give "
                "--api-key-file (or --insecure-bind on a network that you trust)",
                o.host);
  if (o.certificate.empty())
    return fail(errc::usage,
                "--host {}: other machines reach this address, and keys must not travel in the "
                "clear: give --https-cert and --https-key (or --insecure-bind behind a proxy that "
                "encrypts)",
                o.host);
  return {};
}

result<void> api_server::read_keys() {
  if (options_.api_key_file.empty())
    return {};
  LARQL_TRY(auto keys, api_keys::read(options_.api_key_file));
  service_->use_keys(std::move(keys));
  return {};
}

result<std::optional<actors::http_certificate>> api_server::read_certificate() const {
  if (options_.certificate.empty())
    return std::optional<actors::http_certificate>{};
  LARQL_TRY(const auto facts, actors::read_certificates(options_.certificate));
  for (const auto& text : actors::expiring(facts, std::chrono::system_clock::now()))
    log_warning("tls", "{}", text);
  auto out = actors::http_certificate{};
  LARQL_TRY(out.chain, read_text_file(options_.certificate, max_pem_bytes));
  LARQL_TRY(out.key, read_text_file(options_.key, max_pem_bytes));
  return std::optional{std::move(out)};
}

result<std::unique_ptr<api_server>> api_server::start(const api_server_options& options) {
  auto out = std::unique_ptr<api_server>{new api_server{options}};
  LARQL_TRY_VOID(out->check_bind());
  auto o = service_options{};
  o.access = {options.allowed_hosts, options.allowed_origins, own_name()};
  o.limits = options.limits;
  o.is_local = actors::is_loopback(options.host);
  LARQL_TRY(out->service_, api_service::create(std::move(o)));
  LARQL_TRY_VOID(out->read_keys());
  auto http = options.http;
  LARQL_TRY(http.certificate, out->read_certificate());
  if (!actors::is_loopback(options.host) && options.api_key_file.empty())
    log_warning("serve", "INSECURE: everybody who reaches {} can use the model", options.host);
  else if (!actors::is_loopback(options.host) && !http.certificate)
    log_warning("serve", "INSECURE: keys travel in the clear to {}", options.host);
  LARQL_TRY(auto listening, actors::listen_on({options.host, options.port}));
  LARQL_TRY(out->http_, actors::http_server::start(std::move(listening), *out->service_, http));
  return out;
}

void api_server::reload() {
  if (options_.api_key_file.empty() && options_.certificate.empty())
    return log_info("serve", "SIGHUP: there are neither keys nor certificates to read again");
  if (!options_.api_key_file.empty()) {
    if (const auto read = read_keys(); read)
      log_info("serve", "SIGHUP: keys were read again");
    else
      log_error("serve", "SIGHUP: {}; what was read before stays in use", read.error().text);
  }
  if (options_.certificate.empty())
    return;
  const auto fresh = read_certificate();
  const auto used = fresh ? http_->use_certificate(**fresh) : result<void>{fresh.error()};
  if (used)
    log_info("tls", "SIGHUP: certificates were read again; connections that are open stay");
  else
    log_error("tls", "SIGHUP: {}; what was read before stays in use", used.error().text);
}

void api_server::begin_drain() {
  service_->drain();
  http_->stop_accepting();
}

void api_server::wait_until_idle(std::chrono::milliseconds limit) const {
  const auto until = std::chrono::steady_clock::now() + limit;
  while (http_->busy() != 0 && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(idle_poll);
}

std::string api_server::url() const {
  return fmt::format("{}://{}", options_.certificate.empty() ? "http" : "https",
                     to_string(actors::endpoint{options_.host, port()}));
}

} // namespace larql::serve

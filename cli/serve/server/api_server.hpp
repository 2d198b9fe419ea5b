// The API on its port: keys and certificates from files, which are read again on request, the rules
// of who may listen where, and an end that lets answers finish.
//
// Owner     Its caller. It answers 503 until a backend is attached, which lives longer.
// Threads   Methods by one owner.
// Errors    Name the option or the file.

#pragma once

#include "cli/serve/server/api_service.hpp"

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace larql::serve {

struct api_server_options {
  std::string host = "127.0.0.1";
  std::uint16_t port = 8090; ///< 0: any
  std::filesystem::path api_key_file;
  std::filesystem::path certificate, key; ///< both or none: HTTPS
  bool insecure_bind = false;             ///< an address of others without key or HTTPS
  std::vector<std::string> allowed_hosts;
  std::vector<std::string> allowed_origins;
  actors::http_server_options http;
  answer_limits limits;
};

class api_server {
public:
  /// Listens. An address that other machines reach needs keys and HTTPS, or `insecure_bind`.
  [[nodiscard]] static result<std::unique_ptr<api_server>> start(const api_server_options& options);

  /// From now on the model answers. Null: it does not any more.
  void attach(completion_backend* backend) { service_->attach(backend); }
  void use_metrics(std::function<std::string()> text) { service_->use_metrics(std::move(text)); }

  void use_cluster(std::function<std::string()> json) { service_->use_cluster(std::move(json)); }

  /// Forgets answers of the page that nobody has come back for. To be called every second or so.
  void sweep() { service_->sweep(std::chrono::steady_clock::now()); }

  /// Reads keys and certificates again. What is no good is logged, and what was stays in use.
  void reload();

  /// Takes no new connections and no new answers.
  void begin_drain();
  /// Waits until every reply has been sent, at most so long.
  void wait_until_idle(std::chrono::milliseconds limit) const;

  [[nodiscard]] std::uint16_t port() const noexcept { return http_->port(); }
  /// "http://127.0.0.1:8090"
  [[nodiscard]] std::string url() const;
  [[nodiscard]] const actors::http_server& http() const noexcept { return *http_; }

private:
  explicit api_server(const api_server_options& options) : options_(options) {}
  [[nodiscard]] result<void> check_bind() const;
  [[nodiscard]] result<void> read_keys();
  [[nodiscard]] result<std::optional<actors::http_certificate>> read_certificate() const;

  api_server_options options_;
  std::unique_ptr<api_service> service_;
  std::unique_ptr<actors::http_server> http_; // last: its thread uses the service
};

} // namespace larql::serve

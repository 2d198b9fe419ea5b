#include "tests/e2e/chaos_cluster.hpp"

#include "actors/core/system.hpp"
#include "actors/laptop/cluster.hpp"
#include "actors/laptop/remote_experts.hpp"
#include "actors/net/model_match.hpp"
#include "actors/node/expert_service.hpp"
#include "runtime/vindex/fingerprint.hpp"

#include <algorithm>

namespace larql::test {

namespace {

generation generate_over(generate::executor& run, generate::sequence& sequence,
                         std::span<const std::uint32_t> prompt, std::size_t tokens,
                         const token_watcher& on_token) {
  auto out = generation{};
  out.at.push_back(steady::now());
  auto next = std::vector<std::uint32_t>{prompt.begin(), prompt.end()};
  while (out.ids.size() < tokens) {
    if (const auto ok = run.append(sequence, next); !ok) {
      out.error = ok.error().text;
      return out;
    }
    const auto row = *run.last_logits(sequence);
    out.logits.insert(out.logits.end(), row.begin(), row.end());
    const auto best =
        static_cast<std::uint32_t>(std::max_element(row.begin(), row.end()) - row.begin());
    out.ids.push_back(best);
    out.at.push_back(steady::now());
    next = {best};
    if (on_token)
      on_token(out.ids.size());
  }
  return out;
}

} // namespace

// ---- the laptop ---------------------------------------------------------------------------------

struct in_process_laptop::parts {
  fs::path vindex;
  std::unique_ptr<running_model> model;
  actors::system_config config;
  caf::actor_system sys{config};
  std::unique_ptr<actors::cluster> cluster;
  std::unique_ptr<actors::remote_experts> port;
  std::unique_ptr<generate::executor> run;
};

in_process_laptop::in_process_laptop(const fs::path& vindex) : parts_(std::make_unique<parts>()) {
  std::signal(SIGPIPE, SIG_IGN); // as larql does
  auto opened = running_model::open(vindex);
  EXPECT_TRUE(succeeds(opened));
  parts_->model = *std::move(opened);
  parts_->vindex = vindex;
}

in_process_laptop::~in_process_laptop() = default;

result<void> in_process_laptop::connect(const fs::path& topology) {
  auto& p = *parts_;
  const auto& config = p.model->model().config;
  LARQL_TRY(auto c, topology::load_cluster(topology));
  LARQL_TRY(const auto weights, vindex::name_weights(p.vindex, config));
  LARQL_TRY(p.cluster, actors::cluster::connect(
                           p.sys, {std::move(c), actors::identity_of(config, weights), "chaos"}));
  p.port = std::make_unique<actors::remote_experts>(
      p.sys, p.cluster->router(), p.cluster->formats(), p.model->compute(), p.cluster->limits());
  p.run = p.model->new_executor(*p.port);
  return {};
}

generation in_process_laptop::generate(std::span<const std::uint32_t> prompt, std::size_t tokens,
                                       const token_watcher& on_token) {
  return generate_over(*parts_->run, *parts_->model->new_sequence(), prompt, tokens, on_token);
}

generation in_process_laptop::generate_locally(std::span<const std::uint32_t> prompt,
                                               std::size_t tokens) {
  return generate_over(parts_->model->executor(), *parts_->model->new_sequence(), prompt, tokens,
                       {});
}

std::uint64_t in_process_laptop::retries() const {
  return parts_->run->stats().calls.retries;
}

std::uint64_t in_process_laptop::waiting_messages() const {
  return parts_->config.mailboxes->waiting();
}

// ---- the nodes ----------------------------------------------------------------------------------

void chaos_test::SetUp() {
  model_test::SetUp();
  ASSERT_EQ(run(larql({"certs", "secret", secret()})).code, 0);
  for (const auto& [name, experts] : {std::pair{"alpha", "0-3"}, std::pair{"beta", "4-7"},
                                      std::pair{"gamma", "0-3"}, std::pair{"delta", "4-7"}})
    members_.push_back({name, experts, nullptr, std::to_string(free_port()), {}});
  for (auto& m : members_)
    start(m);
  write_topology();
}

void chaos_test::start(member& m) const {
  auto options = words{"--name", m.name,          "--experts", m.experts, "--port",
                       m.port,   "--secret-file", secret(),    "-t",      "1"};
  options.insert(options.end(), m.options.begin(), m.options.end());
  m.process = start_node(options);
  m.address = m.process->address();
}

void chaos_test::write_topology(const std::string& deadlines) const {
  auto text = fmt::format("model = \"{}\"\n", vindex().string());
  for (const auto& m : members_)
    text += fmt::format("[[node]]\nname = \"{}\"\naddress = \"{}\"\nexperts = \"{}\"\n", m.name,
                        m.address, m.experts);
  text += "[security]\nsecret_file = \"secret\"\n[deadlines]\nconnect = \"2s\"\n"
          "call_ceiling = \"2s\"\nreconnect_max = \"500ms\"\n" +
          deadlines;
  write_file(topology(), text);
}

void chaos_test::kill(member& m) {
  m.process->child().signal(SIGKILL);
  EXPECT_TRUE(m.process->child().wait()) << m.name;
}

} // namespace larql::test

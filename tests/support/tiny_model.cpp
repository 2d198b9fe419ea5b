#include "tests/support/tiny_model.hpp"

#include "runtime/base/check.hpp"

#include <cmath>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

namespace larql::test {

namespace {

using quant::encoding;

constexpr std::size_t arena_bytes = std::size_t{1} << 30; // of address space, not of memory

encoding fitting(encoding e, std::uint64_t cols) {
  if (cols % quant::shape_of(e).weights == 0)
    return e;
  return cols % 32 == 0 ? encoding::q8_0 : encoding::f32;
}

} // namespace

class tiny_model::arena {
public:
  arena() {
    const auto fd = ::memfd_create("larql-test", MFD_CLOEXEC);
    LARQL_CHECK(fd >= 0 && ::ftruncate(fd, arena_bytes) == 0);
    void* base =
        ::mmap(nullptr, arena_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    ::close(fd);
    LARQL_CHECK(base != MAP_FAILED);
    base_ = static_cast<std::byte*>(base);
  }
  ~arena() { ::munmap(base_, arena_bytes); }
  arena(const arena&) = delete;
  arena& operator=(const arena&) = delete;

  std::span<std::byte> store(std::span<const std::byte> data) {
    LARQL_CHECK(data.size() <= arena_bytes - used_);
    auto* p = base_ + used_;
    std::memcpy(p, data.data(), data.size());
    used_ += (data.size() + 63) / 64 * 64;
    return {p, data.size()};
  }

private:
  std::byte* base_ = nullptr;
  std::size_t used_ = 0;
};

tiny_options all_in(encoding e, tiny_options o) {
  o.attention = o.key = o.value = o.dense = o.dense_up = o.dense_down = o.gate_up = o.down = e;
  o.embeddings = o.head = e;
  return o;
}

tiny_options k_quant_options() {
  auto o = tiny_options{};
  o.dense_width = o.expert_width = 256;
  o.head_dim = 64;
  o.global_head_dim = 64;
  o.attention = o.key = encoding::q4_k;
  o.value = encoding::q6_k;
  o.dense = o.dense_up = encoding::q5_k;
  o.dense_down = encoding::q6_k;
  o.gate_up = o.down = encoding::q4_k;
  o.embeddings = encoding::q6_k;
  return o;
}

tiny_options mixed_options() {
  auto o = k_quant_options();
  o.dense_width = o.expert_width = 160;
  o.tied = false;
  o.attention = encoding::q5_k;
  o.key = encoding::q8_0;
  o.value = encoding::q5_1;
  o.dense = encoding::q4_k;
  o.dense_up = encoding::f16;
  o.dense_down = encoding::iq4_nl;
  o.gate_up = encoding::q6_k;
  o.down = encoding::q5_0;
  o.embeddings = encoding::q4_0;
  o.head = encoding::bf16; // and F32 for the routers
  return o;
}

vindex::model_config config_of(const tiny_options& o) {
  auto c = vindex::model_config{};
  c.model = "tiny";
  c.family = "gemma4";
  c.quant = vindex::quant_kind::lossless;
  c.layers = o.layers;
  c.hidden = o.hidden;
  c.dense_width = o.dense_width;
  c.vocab = o.vocab;
  c.embed_scale = std::sqrt(static_cast<float>(o.hidden));
  c.q_heads = o.q_heads;
  c.kv_heads = o.kv_heads;
  c.global_kv_heads = o.global_kv_heads;
  c.head_dim = o.head_dim;
  c.global_head_dim = o.global_head_dim;
  c.window = o.window;
  for (auto l = 0u; l < o.layers; ++l)
    c.sliding.push_back(o.period == 0 || (l + 1) % o.period != 0);
  c.k_eq_v = !o.own_global_v;
  c.softcap = 30;
  c.experts = o.experts;
  c.top_k = o.top_k;
  c.expert_width = o.expert_width;
  c.activation = o.activation;
  return c;
}

namespace {

// Fills a model with tensors in a fixed order, each from one random stream.
class builder {
public:
  builder(tiny_model& model, const tiny_options& o) : model_(model), o_(o), random_(o.seed) {}

  void run() {
    matrix("embed_tokens.weight", {o_.vocab, o_.hidden}, o_.embeddings);
    vector("norm.weight", o_.hidden, 1.0f, 0.1f);
    if (!o_.tied)
      matrix("lm_head.weight", {o_.vocab, o_.hidden}, o_.head);
    for (auto l = 0u; l < o_.layers; ++l) {
      prefix_ = "layers." + std::to_string(l) + ".";
      attention(model_.checkpoint().config.sliding[l]);
      dense_and_router();
      experts();
    }
  }

private:
  void attention(bool sliding) {
    const auto dim = sliding ? o_.head_dim : o_.global_head_dim;
    const auto kv = sliding ? o_.kv_heads : o_.global_kv_heads;
    vector(prefix_ + "input_layernorm.weight", o_.hidden);
    matrix(prefix_ + "self_attn.q_proj.weight", {o_.q_heads * dim, o_.hidden}, o_.attention);
    matrix(prefix_ + "self_attn.k_proj.weight", {kv * dim, o_.hidden}, o_.key);
    if (sliding || o_.own_global_v)
      matrix(prefix_ + "self_attn.v_proj.weight", {kv * dim, o_.hidden}, o_.value);
    matrix(prefix_ + "self_attn.o_proj.weight", {o_.hidden, o_.q_heads * dim}, o_.attention);
    vector(prefix_ + "self_attn.q_norm.weight", dim);
    // Scores have scale 1, so the missing 1/sqrt(dim) lives in k_norm.
    vector(prefix_ + "self_attn.k_norm.weight", dim, 0.15f, 0.02f);
    vector(prefix_ + "post_attention_layernorm.weight", o_.hidden);
  }

  void dense_and_router() {
    vector(prefix_ + "pre_feedforward_layernorm.weight", o_.hidden);
    matrix(prefix_ + "mlp.gate_proj.weight", {o_.dense_width, o_.hidden}, o_.dense);
    matrix(prefix_ + "mlp.up_proj.weight", {o_.dense_width, o_.hidden}, o_.dense_up);
    matrix(prefix_ + "mlp.down_proj.weight", {o_.hidden, o_.dense_width}, o_.dense_down);
    vector(prefix_ + "post_feedforward_layernorm_1.weight", o_.hidden);
    matrix(prefix_ + "router.proj.weight", {o_.experts, o_.hidden}, encoding::f32, 2.0f);
    vector(prefix_ + "router.scale", o_.hidden);
    if (o_.per_expert_scale)
      vector(prefix_ + "router.per_expert_scale", o_.experts, 1.0f, 0.2f);
    vector(prefix_ + "pre_feedforward_layernorm_2.weight", o_.hidden);
    vector(prefix_ + "post_feedforward_layernorm_2.weight", o_.hidden);
    vector(prefix_ + "post_feedforward_layernorm.weight", o_.hidden);
    if (o_.layer_scalar)
      vector(prefix_ + "layer_scalar", 1, 0.8f, 0.05f);
  }

  void experts() {
    if (o_.fused_gate_up) {
      matrix(prefix_ + "experts.gate_up_proj", {o_.experts, 2 * o_.expert_width, o_.hidden},
             o_.gate_up);
    } else {
      matrix(prefix_ + "experts.gate_proj", {o_.experts, o_.expert_width, o_.hidden}, o_.gate_up);
      matrix(prefix_ + "experts.up_proj", {o_.experts, o_.expert_width, o_.hidden},
             o_.up.value_or(o_.gate_up));
    }
    matrix(prefix_ + "experts.down_proj", {o_.experts, o_.hidden, o_.expert_width}, o_.down);
  }

  // Weights of deviation 1/sqrt(width), so that products keep the size of their input.
  void matrix(const std::string& key, std::vector<std::uint64_t> shape, encoding e,
              float deviation = 0) {
    const auto cols = shape.back();
    auto rows = std::size_t{1};
    for (auto i = std::size_t{0}; i + 1 < shape.size(); ++i)
      rows *= shape[i];
    if (deviation == 0)
      deviation = 1 / std::sqrt(static_cast<float>(cols));
    e = fitting(e, cols);
    model_.set(key, e, std::move(shape), random_matrix(random_, e, rows, cols, deviation));
  }

  void vector(const std::string& key, std::size_t n, float mean = 1.0f, float deviation = 0.2f) {
    auto values = random_floats(random_, n, deviation);
    for (auto& x : values)
      x += mean;
    model_.set(key, {n}, values);
  }

  tiny_model& model_;
  const tiny_options& o_;
  random_source random_;
  std::string prefix_;
};

} // namespace

tiny_model::tiny_model(const tiny_options& options) : arena_(std::make_shared<arena>()) {
  checkpoint_.description = "tiny model of a test";
  checkpoint_.fingerprint = "tiny-" + std::to_string(options.seed);
  checkpoint_.config = config_of(options);
  checkpoint_.owner = arena_;
  builder{*this, options}.run();
}

std::span<std::byte> tiny_model::bytes(const std::string& key) {
  const auto data = checkpoint_.tensors.at(key).data;
  return {const_cast<std::byte*>(data.data()), data.size()}; // it is the arena's own memory
}

void tiny_model::set(const std::string& key, encoding format, std::vector<std::uint64_t> shape,
                     std::span<const std::byte> data) {
  auto t = import::source_tensor{};
  t.name = key;
  t.format = format;
  t.shape = std::move(shape);
  LARQL_CHECK(data.size() == t.rows() * quant::row_bytes(format, t.cols()));
  t.data = arena_->store(data);
  checkpoint_.tensors[key] = std::move(t);
}

void tiny_model::set(const std::string& key, std::vector<std::uint64_t> shape,
                     std::span<const float> data) {
  set(key, encoding::f32, std::move(shape), std::as_bytes(data));
}

void extract_to(const import::checkpoint& source, const std::filesystem::path& destination,
                vindex::quant_kind quant) {
  auto pool = compute_pool{1};
  auto options = import::extract_options{};
  options.quant = quant;
  if (const auto ok = import::extract(source, destination, pool, options); !ok) {
    fmt::print(stderr, "extract_to: {}\n", ok.error().text);
    LARQL_CHECK(false && "a tiny model could not be extracted");
  }
}

tiny_vindex::tiny_vindex(const tiny_options& options, vindex::quant_kind quant)
    : tiny_vindex(tiny_model{options}, quant) {}

tiny_vindex::tiny_vindex(const tiny_model& model, vindex::quant_kind quant)
    : path_(dir_ / "tiny.vindex"), config_(model.checkpoint().config) {
  config_.quant = quant;
  extract_to(model.checkpoint(), path_, quant);
}

} // namespace larql::test

#include "runtime/kernels/avx512/matmul.hpp"

#if defined(__AVX512VNNI__)

namespace larql::kernels::avx512 {

constinit const product_table bytes_and_nibbles_products =
    products_of<product_part::bytes_and_nibbles>();

} // namespace larql::kernels::avx512

#endif

fn main() {
    println!("bridge");
}

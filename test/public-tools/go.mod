module weir/test/public-tools

go 1.18

require golang.org/x/mod v0.17.0

module mygoapp

go 1.19

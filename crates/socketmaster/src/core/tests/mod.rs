mod check;
mod histories;
mod process;
mod roll;
mod scenarios;
mod script;
mod world;

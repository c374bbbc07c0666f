import { testProfile } from "./profile-behaviour.ts";

testProfile("ext_proc");

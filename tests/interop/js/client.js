// A master on modbus-serial, the library behind Node-RED's Modbus nodes: node client.js tcp|udp HOST PORT
// Prints what each call gave, as one JSON object.
"use strict";

const ModbusRTU = require("modbus-serial");

const [UNIT, NEVER_SEEN, SLOW, WRITTEN, NOBODY] = [20, 21, 22, 23, 99];

async function main(transport, host, port) {
    const client = new ModbusRTU();
    const connect = { tcp: "connectTCP", udp: "connectUDP" }[transport];
    await client[connect](host, { port: Number(port) });
    client.setTimeout(20000);
    const found = {};
    const call = async (name, unit, ask) => {
        client.setID(unit);
        try {
            found[name] = await ask();
        } catch (fault) {
            found[name] = fault.modbusCode === undefined ? String(fault) : `exception ${fault.modbusCode}`;
        }
    };
    const data = async (asked) => (await asked).data;
    const done = async (asked) => {
        await asked;
        return "done";
    };

    await call("coils", UNIT, () => data(client.readCoils(0, 8)));
    await call("discrete inputs", UNIT, () => data(client.readDiscreteInputs(0, 8)));
    await call("125 registers", UNIT, () => data(client.readHoldingRegisters(0x4000, 125)));
    await call("input registers", UNIT, () => data(client.readInputRegisters(0x4000, 3)));
    await call("one coil", WRITTEN, () => done(client.writeCoil(0x200, true)));
    await call("coil back", WRITTEN, async () => (await data(client.readCoils(0x200, 1)))[0]);
    await call("one register", WRITTEN, () => done(client.writeRegister(0x5210, 17)));
    await call("register back", WRITTEN, () => data(client.readHoldingRegisters(0x5210, 1)));
    await call("many coils", WRITTEN, () => done(client.writeCoils(0x220, [true, false, true])));
    await call("many registers", WRITTEN, () => done(client.writeRegisters(0x5230, [1, 2, 3])));
    await call("registers back", WRITTEN, () => data(client.readHoldingRegisters(0x5230, 3)));
    await call("identification", UNIT, () => data(client.readDeviceIdentification(1, 0)));
    await call("unknown register", UNIT, () => data(client.readHoldingRegisters(0x4800, 1)));
    await call("read-only register", UNIT, () => done(client.writeRegister(0x6010, 1)));
    await call("out of range", UNIT, () => done(client.writeRegister(0x5000, 60001)));
    await call("refused", WRITTEN, () => done(client.writeRegister(0x6012, 1)));
    await call("busy", WRITTEN, () => done(client.writeRegister(0x6013, 1)));
    await call("slow", SLOW, () => done(client.writeRegister(0x5000, 1)));
    await call("never seen", NEVER_SEEN, () => data(client.readHoldingRegisters(0x4000, 1)));
    await call("nobody", NOBODY, () => data(client.readHoldingRegisters(0x4000, 1)));
    // Several at once on one connection: each promise gets the reply to its own request.
    client.setID(UNIT);
    if (transport === "tcp") {
        const wanted = Array.from({ length: 40 }, (_, n) => client.readHoldingRegisters(0x4000 + n, 1));
        found.together = (await Promise.all(wanted)).map((reply) => reply.data[0]);
    }
    console.log(JSON.stringify(found));
    client.close(() => process.exit(0));
}

main(...process.argv.slice(2)).catch((fault) => {
    console.error(String(fault));
    process.exit(1);
});
